"""From a value of YAML or the command line to what a field holds: its type, its bounds, and what no machine has."""

from __future__ import annotations

import math
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from trainables.refusals import UsageError, describe_value, format_value, suggest_name

LARGEST_SEED = 2**63 - 1
"""The largest seed that torch and NumPy both take, and a signed integer of 64 bits."""

LARGEST_COUNT, LARGEST_NUMBER = 10**6, 1e9
"""The upper bounds, to either side of 0, of whole and of other numbers whose field declares none."""

LARGEST_SIDE = 16384
"""The most pixels along the side of a square that a device of today could train on."""

LONGEST_TEXT, LONGEST_NAME = 4096, 255
"""Characters of a text, and bytes of a name between the slashes of a path, as Linux bounds them."""


def choices_of(kind: Any) -> tuple[Any, ...]:
    """Return the values that an annotation lists; none where it lists none."""
    return get_args(kind) if get_origin(kind) is Literal else ()


def convert_value(name: str, value: Any, kind: Any, metadata: Mapping[str, Any]) -> Any:
    """Convert a value to the field's type and check its bounds, or raise a `UsageError`."""
    if get_origin(kind) in (types.UnionType, typing.Union):
        return _convert_union(name, value, kind, metadata)
    choices = choices_of(kind)
    if choices:
        if isinstance(value, str) or value is None or isinstance(value, bool):
            value = format_value(value)
        if value not in choices:
            text = describe_value(value)
            raise UsageError(f"{name}={text} is not possible; {suggest_name(text, list(map(str, choices)))}")
        return value
    value = _convert_type(name, value, kind)
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_bounds(name, value, metadata.get("low"), metadata.get("high"))
    if isinstance(value, str):
        _check_text(name, value, is_path=metadata.get("path", False))
    return value


def _convert_union(name: str, value: Any, kind: Any, metadata: Mapping[str, Any]) -> Any:
    """Convert to the first member of `X | None` or `float | Literal[...]` that takes the value."""
    members = [member for member in get_args(kind) if member is not type(None)]
    if type(None) in get_args(kind) and (value is None or value == "none"):
        return None
    refusals = []
    for member in members:
        try:
            return convert_value(name, value, member, metadata)
        except UsageError as error:
            refusals.append(str(error).rstrip("."))
    raise UsageError(f"{', and '.join(refusals)}.")


def _convert_type(name: str, value: Any, kind: type) -> Any:
    wrong = UsageError(f"{name}={describe_value(value)} is not {_KINDS.get(kind, kind.__name__)}.")
    if kind is bool:
        if not isinstance(value, bool):
            raise wrong
        return value
    if isinstance(value, bool) and kind in (int, float):
        raise wrong
    if isinstance(value, int) and kind in (int, float) and abs(value) > LARGEST_SEED:
        raise UsageError(f"{name}={describe_value(value)} is out of range: it does not fit into 64 bits.")
    if kind is float and isinstance(value, int | float):
        if not math.isfinite(value):
            raise UsageError(f"{name}={describe_value(value)} is not a finite number.")
        return float(value)
    if kind is int and isinstance(value, int | float) and math.isfinite(value) and value == int(value):
        return int(value)
    if kind is str and isinstance(value, str | int | float):
        return value if isinstance(value, str) else describe_value(value) if isinstance(value, int) else str(value)
    if isinstance(value, kind):
        return value
    raise wrong


def _check_bounds(name: str, value: float, low: float | None, high: float | None) -> None:
    largest = LARGEST_COUNT if isinstance(value, int) else LARGEST_NUMBER
    if high is None and value > largest:
        high = largest
    if low is None and value < -largest:
        low = -largest
    if (low is not None and value < low) or (high is not None and value > high):
        low_text, high_text = (_format_bound(bound) for bound in (low, high))
        bounds = (
            f"at least {low_text}"
            if high is None
            else f"at most {high_text}"
            if low is None
            else f"{low_text} to {high_text}"
        )
        raise UsageError(f"{name}={describe_value(value)} is out of range: it takes {bounds}.")


def _format_bound(bound: float | None) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}" if bound is not None else ""


def _check_text(name: str, value: str, *, is_path: bool) -> None:
    """Refuse a text that no file, network or person could be named by."""
    if len(value) > LONGEST_TEXT:
        raise UsageError(f"{name}={describe_value(value)} is too long: it takes {LONGEST_TEXT} characters at most.")
    control = next((character for character in value if ord(character) < 32 or ord(character) == 127), None)
    if control is not None:
        raise UsageError(f"{name}={describe_value(value)} holds the control character {control!r}: leave it out.")
    if is_path:
        _check_path(name, value)


def _check_path(name: str, value: str) -> None:
    longest = max((len(os.fsencode(part)) for part in value.split("/")), default=0)
    if longest > LONGEST_NAME:
        raise UsageError(f"{name}={describe_value(value)} holds a name of {longest} bytes; files take {LONGEST_NAME}.")
    try:
        Path(value).expanduser()
    except RuntimeError as error:  # the home folder of somebody who is not there
        raise UsageError(f"{name}={describe_value(value)} begins with a home folder that does not exist.") from error


_KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a word",
    dict: "a mapping",
    list: "a list",
}
