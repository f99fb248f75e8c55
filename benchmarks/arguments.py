"""The command line of a measurement: its own keys, and parts such as `data.…` and `fixed.…` that go elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainables.settings import UsageError, parse_arguments


def parse(arguments: Sequence[str], parts: Sequence[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The measurement's keys with their values, and each part's, empty where it is not given.

    Raises:
        UsageError: a word that is no `key=value`, or a part that is given as a value.
    """
    values = parse_arguments(arguments)
    found = {name: values.pop(name, {}) for name in parts}
    for name, part in found.items():
        if not isinstance(part, dict):
            raise UsageError(f"{name}={part} is not a part of the measurement; write {name}.NAME=VALUE.")
    return values, found
