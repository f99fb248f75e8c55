"""Settings: frozen dataclasses whose fields check themselves.

Every command of the project and every variant's Config is a `Settings`. A field is declared with `setting`, which
holds its default, its one-line help and its bounds; types and choices come from the annotation.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, Self, get_args, get_origin


class UsageError(ValueError):
    """Input that cannot be used: one sentence that names the value and the remedy. Commands end with exit code 2."""


class Notice(UserWarning):
    """Something that a user should know and that stops nothing, as one sentence; commands print it as it is."""


def setting(default: Any = MISSING, help: str = "", *, low: float | None = None, high: float | None = None) -> Any:
    """Declare a field of a `Settings`: its default, one line of help, and inclusive bounds for a number.

    Without a default the field is required.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A frozen dataclass that checks its fields when made; raises `UsageError` naming the first bad one."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = _convert(item.name, getattr(self, item.name), _types(type(self))[item.name], item.metadata)
            object.__setattr__(self, item.name, value)

    @classmethod
    def names(cls) -> list[str]:
        """List the field names, in the order of their declaration."""
        return [item.name for item in fields(cls)]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], prefix: str = "") -> Self:
        """Make settings of a mapping; `prefix` begins the names in error messages (`fixed.` for a space's part).

        Raises:
            UsageError: an unknown name (with the nearest match), a missing one, or a value out of bounds.
        """
        for name in values:
            if name not in cls.names():
                accepted = [f"{prefix}{field_name}" for field_name in cls.names()]
                raise UsageError(describe_unknown(f"{prefix}{name}", accepted))
        for item in fields(cls):
            if item.default is MISSING and item.name not in values:
                raise UsageError(f"{prefix}{item.name} is required: {item.metadata['help']}.")
        try:
            return cls(**values)
        except UsageError as error:
            raise UsageError(f"{prefix}{error}") from error

    @classmethod
    def convert(cls, name: str, value: Any) -> Any:
        """Convert a value to what the field `name` holds.

        Raises:
            UsageError: the field does not take it.
        """
        metadata = {item.name: item.metadata for item in fields(cls)}
        return _convert(name, value, _types(cls)[name], metadata[name])

    @classmethod
    def help_lines(cls) -> list[tuple[str, str, str]]:
        """List (name, default, help) of every field; choices are appended to the help."""
        lines = []
        for item in fields(cls):
            choices = _choices(_types(cls)[item.name])
            suffix = f" [{' | '.join(map(str, choices))}]" if choices else ""
            default = "required" if item.default is MISSING else format_value(item.default)
            lines.append((item.name, default, item.metadata["help"] + suffix))
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, ready for YAML or JSON."""
        return dataclasses.asdict(self)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, without its full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def describe_unknown(name: str, names: Iterable[str], kind: str = "setting") -> str:
    """Say that a name is not among the accepted names, and which of them is the nearest."""
    return f"unknown {kind} '{name}'; {suggest_name(name, list(names))}"


def suggest_name(name: str, names: list[str]) -> str:
    """Suggest the nearest of the accepted names, or list them all; a common prefix does not make a name near."""
    prefix = name.rpartition(".")[0]
    endings = {accepted.removeprefix(prefix): accepted for accepted in names}
    matches = difflib.get_close_matches(name.removeprefix(prefix), endings, n=1, cutoff=0.5)
    return f"did you mean '{endings[matches[0]]}'?" if matches else f"accepted: {', '.join(names)}."


def abbreviate(names: Sequence[str]) -> str:
    """List the first three of the names, and say how many more there are."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest


def format_value(value: Any) -> str:
    """Format a value as it is typed on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _types(settings: type[Settings]) -> dict[str, Any]:
    """Return the annotations of a settings class, resolved once."""
    if settings not in _TYPES:
        _TYPES[settings] = typing.get_type_hints(settings)
    return _TYPES[settings]


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _convert(name: str, value: Any, kind: Any, metadata: Mapping[str, Any]) -> Any:
    """Convert a value to the field's type and check its bounds, or raise a `UsageError`."""
    if get_origin(kind) in (types.UnionType, typing.Union):
        return _convert_union(name, value, kind, metadata)
    choices = _choices(kind)
    if choices:
        if isinstance(value, str) or value is None or isinstance(value, bool):
            value = format_value(value)
        if value not in choices:
            text = format_value(value)
            raise UsageError(f"{name}={text} is not possible; {suggest_name(text, list(map(str, choices)))}")
        return value
    value = _convert_type(name, value, kind)
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_bounds(name, value, metadata.get("low"), metadata.get("high"))
    return value


def _convert_union(name: str, value: Any, kind: Any, metadata: Mapping[str, Any]) -> Any:
    """Convert to the first member of `X | None` or `float | Literal[...]` that takes the value."""
    members = [member for member in get_args(kind) if member is not type(None)]
    if type(None) in get_args(kind) and (value is None or value == "none"):
        return None
    refusals = []
    for member in members:
        try:
            return _convert(name, value, member, metadata)
        except UsageError as error:
            refusals.append(str(error).rstrip("."))
    raise UsageError(f"{', and '.join(refusals)}.")


def _convert_type(name: str, value: Any, kind: type) -> Any:
    wrong = UsageError(f"{name}={format_value(value)} is not {_KINDS.get(kind, kind.__name__)}.")
    if kind is bool:
        if not isinstance(value, bool):
            raise wrong
        return value
    if isinstance(value, bool) and kind in (int, float):
        raise wrong
    if kind is float and isinstance(value, int | float):
        if not math.isfinite(value):
            raise wrong
        return float(value)
    if kind is int and isinstance(value, int | float) and math.isfinite(value) and value == int(value):
        return int(value)
    if kind is str and isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, kind):
        return value
    raise wrong


def _check_bounds(name: str, value: float, low: float | None, high: float | None) -> None:
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"{low:g} to {high:g}"
        raise UsageError(f"{name}={format_value(value)} is out of range: it takes {bounds}.")


_TYPES: dict[type[Settings], dict[str, Any]] = {}
_KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a word",
    dict: "a mapping",
    list: "a list",
}
