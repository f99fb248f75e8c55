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
        for each in fields(self):
            value = _checked(each.name, getattr(self, each.name), _types(type(self))[each.name], each.metadata)
            object.__setattr__(self, each.name, value)

    @classmethod
    def names(cls) -> list[str]:
        """The field names, in the order of their declaration."""
        return [each.name for each in fields(cls)]

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Make one from a mapping; `where` prefixes the names in error messages (`fixed.` for a space's part).

        Raises:
            UsageError: an unknown name (with the nearest match), a missing one, or a value out of bounds.
        """
        for name in values:
            if name not in cls.names():
                raise UsageError(unknown(f"{where}{name}", [f"{where}{known}" for known in cls.names()]))
        for each in fields(cls):
            if each.default is MISSING and each.name not in values:
                raise UsageError(f"{where}{each.name} is required: {each.metadata['help']}.")
        try:
            return cls(**values)
        except UsageError as error:
            raise UsageError(f"{where}{error}") from error

    @classmethod
    def accepts(cls, name: str, value: Any) -> Any:
        """The value as the field `name` would hold it; raises `UsageError` where the field would not."""
        known = {each.name: each for each in fields(cls)}
        return _checked(name, value, _types(cls)[name], known[name].metadata)

    @classmethod
    def help_lines(cls) -> list[tuple[str, str, str]]:
        """One (name, default, help) per field; choices are appended to the help."""
        lines = []
        for each in fields(cls):
            choices = _choices(_types(cls)[each.name])
            suffix = f" [{' | '.join(map(str, choices))}]" if choices else ""
            default = "required" if each.default is MISSING else plain(each.default)
            lines.append((each.name, default, each.metadata["help"] + suffix))
        return lines

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values, ready for YAML or JSON."""
        return dataclasses.asdict(self)


def one_line(error: Exception) -> str:
    """The first line of an error's message, without its full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def unknown(name: str, accepted: Iterable[str], what: str = "setting") -> str:
    """The sentence for a name that is not among the accepted ones, with the nearest of them."""
    return f"unknown {what} '{name}'; {nearest(name, list(accepted))}"


def nearest(name: str, accepted: list[str]) -> str:
    """The nearest of the accepted names, or all of them; a prefix that all share does not make a name near."""
    shared = name.rpartition(".")[0]
    ends = {each.removeprefix(shared): each for each in accepted}
    close = difflib.get_close_matches(name.removeprefix(shared), ends, n=1, cutoff=0.5)
    return f"did you mean '{ends[close[0]]}'?" if close else f"accepted: {', '.join(accepted)}."


def a_few(names: Sequence[str]) -> str:
    """The first three of the names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def plain(value: Any) -> str:
    """A value as one would type it on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _types(settings: type[Settings]) -> dict[str, Any]:
    """The annotations of a settings class, resolved once."""
    if settings not in _RESOLVED:
        _RESOLVED[settings] = typing.get_type_hints(settings)
    return _RESOLVED[settings]


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _checked(name: str, value: Any, kind: Any, metadata: Mapping[str, Any]) -> Any:
    """The value converted to the field's type, or a `UsageError`."""
    if get_origin(kind) in (types.UnionType, typing.Union):
        return _checked_union(name, value, kind, metadata)
    choices = _choices(kind)
    if choices:
        if isinstance(value, str) or value is None or isinstance(value, bool):
            value = plain(value)
        if value not in choices:
            raise UsageError(
                f"{name}={plain(value)} is not possible; {nearest(plain(value), [str(each) for each in choices])}"
            )
        return value
    value = _converted(name, value, kind)
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_bounds(name, value, metadata.get("low"), metadata.get("high"))
    return value


def _checked_union(name: str, value: Any, kind: Any, metadata: Mapping[str, Any]) -> Any:
    """`X | None` and `float | Literal[...]`: what the first member makes of it that takes it; else all complaints."""
    members = [member for member in get_args(kind) if member is not type(None)]
    if type(None) in get_args(kind) and (value is None or value == "none"):
        return None
    complaints = []
    for member in members:
        try:
            return _checked(name, value, member, metadata)
        except UsageError as error:
            complaints.append(str(error).rstrip("."))
    raise UsageError(f"{', and '.join(complaints)}.")


def _converted(name: str, value: Any, kind: type) -> Any:
    wrong = UsageError(f"{name}={plain(value)} is not {_KINDS.get(kind, kind.__name__)}.")
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
        raise UsageError(f"{name}={plain(value)} is out of range: it takes {bounds}.")


_RESOLVED: dict[type[Settings], dict[str, Any]] = {}
_KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a word",
    dict: "a mapping",
    list: "a list",
}
