"""What is said to a user: the exception and the warning for it, and the parts of their sentences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class UsageError(ValueError):
    """Input that cannot be used: one sentence that names the value and the remedy. Commands end with exit code 2."""


class Notice(UserWarning):
    """Something that a user should know and that stops nothing, as one sentence; commands print it as it is."""


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, without its full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def describe_unknown(name: Any, names: Iterable[str], kind: str = "setting") -> str:
    """Say that a name is not among the accepted names, and which of them is the nearest."""
    text = describe_value(name)
    return f"unknown {kind} '{text}'; {suggest_name(text, list(names))}"


def suggest_name(name: str, names: list[str]) -> str:
    """Suggest the nearest of the accepted names, or list them all; a common prefix does not make a name near."""
    prefix = name.rpartition(".")[0]
    endings = {options.removeprefix(prefix): options for options in names}
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


def describe_value(value: Any) -> str:
    """Write a value as part of a sentence: as it is typed, on one line and no longer than is read there."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"(a whole number of {value.bit_length()} bits)"
    text = value if isinstance(value, str) else format_value(value)
    text = text if len(text) <= 200 else f"{text[:40]}… ({len(text)} characters)"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
