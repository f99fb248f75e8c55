"""Settings: frozen dataclasses whose fields check themselves.

Every command of the project and every variant's Config is a `Settings`. A field is declared with `setting`, which
holds its default, its one-line help and its bounds; types and choices come from the annotation.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self, get_args, get_origin

from trainables.conversion import LARGEST_COUNT, LARGEST_NUMBER, LARGEST_SEED, LARGEST_SIDE, choices_of, convert_value
from trainables.refusals import (
    Notice,
    UsageError,
    abbreviate,
    describe_unknown,
    describe_value,
    first_line,
    format_value,
    suggest_name,
)

__all__ = [
    "LARGEST_COUNT",
    "LARGEST_NUMBER",
    "LARGEST_SEED",
    "LARGEST_SIDE",
    "Notice",
    "Settings",
    "UsageError",
    "abbreviate",
    "describe_unknown",
    "describe_value",
    "first_line",
    "format_value",
    "setting",
    "suggest_name",
]


def setting(
    default: Any = MISSING, help: str = "", *, low: float | None = None, high: float | None = None, path: bool = False
) -> Any:
    """Declare a field of a `Settings`: its default, one line of help, and inclusive bounds for a number.

    Without a default the field is required. Without `high`, no number is larger than any machine could serve
    (`LARGEST_COUNT`, `LARGEST_NUMBER`). `path` says that a text may be the path of a file or folder.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, "path": path})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A frozen dataclass that checks its fields when made; raises `UsageError` naming the first bad one."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = convert_value(item.name, getattr(self, item.name), _types(type(self))[item.name], item.metadata)
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
        return convert_value(name, value, _types(cls)[name], metadata[name])

    @classmethod
    def number_type(cls, name: str) -> type[int] | type[float] | None:
        """Return the type of the numbers that the field `name` takes from a range; None: it takes none, or words."""
        kind = _types(cls)[name]
        members = get_args(kind) if get_origin(kind) in (types.UnionType, typing.Union) else (kind,)
        return next((member for member in (float, int) if member in members), None)

    @classmethod
    def help_lines(cls) -> list[tuple[str, str, str]]:
        """List (name, default, help) of every field; choices are appended to the help."""
        lines = []
        for item in fields(cls):
            choices = choices_of(_types(cls)[item.name])
            suffix = f" [{' | '.join(map(str, choices))}]" if choices else ""
            default = "required" if item.default is MISSING else format_value(item.default)
            lines.append((item.name, default, item.metadata["help"] + suffix))
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, ready for YAML or JSON."""
        return dataclasses.asdict(self)


def _types(settings: type[Settings]) -> dict[str, Any]:
    """Return the annotations of a settings class, resolved once."""
    if settings not in _TYPES:
        _TYPES[settings] = typing.get_type_hints(settings)
    return _TYPES[settings]


_TYPES: dict[type[Settings], dict[str, Any]] = {}
