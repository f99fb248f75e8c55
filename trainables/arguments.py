"""The command line of what has keys of its own beside parts that go elsewhere, such as `data.…` and `fixed.…`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from trainables.settings import Settings, UsageError, parse_arguments, unknown

Keys = TypeVar("Keys", bound=Settings)


def parse(arguments: Sequence[str], keys: type[Keys], parts: Sequence[str]) -> tuple[Keys, dict[str, dict[str, Any]]]:
    """The command's own settings, and the values of each part, empty where it is not given.

    Raises:
        UsageError: a word that is no `key=value`, a key that there is not, or a part that is given as a value.
    """
    values = parse_arguments(arguments)
    found = {name: values.pop(name, {}) for name in parts}
    for key in values:
        if key not in keys.names():
            raise UsageError(unknown(key, [*keys.names(), *parts]))
    for name, part in found.items():
        if not isinstance(part, dict):
            raise UsageError(f"{name}={part} is no part with settings of its own; write {name}.NAME=VALUE.")
    return keys.of(values), found
