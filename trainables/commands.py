"""The commands of the project: `key=value` words in, help pages out, and how bad input and warnings are reported."""

from __future__ import annotations

import os
import signal
import sys
import typing
import warnings
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from trainables.settings import Notice, Settings, UsageError, describe_unknown, describe_value, first_line

Keys = TypeVar("Keys", bound=Settings)

_format_with_place = warnings.formatwarning


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


def run_command(main: Callable[[list[str]], int]) -> None:
    """Run a command's `main` on the process's arguments and exit; a `UsageError` becomes its sentence and code 2."""
    warnings.formatwarning = format_warning
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except Terminated:
        print("terminated", file=sys.stderr)
        status = 128 + signal.SIGTERM
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 128 + signal.SIGINT
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Format a warning for the terminal: of a `Notice` the sentence alone, without its place in the code."""
    if issubclass(category, Notice):
        return f"warning: {message}\n"
    return _format_with_place(message, category, filename, lineno, line)


def parse_arguments(arguments: Iterable[str]) -> dict[str, Any]:
    """Parse `key=value` words into a nested dictionary: `budget.trials=8` becomes `{"budget": {"trials": 8}}`.

    Values are read as YAML by OmegaConf, so `1e-4` is a number and `[1, 2]` a list.

    Raises:
        UsageError: a word that is no `key=value`, or a value that is no YAML.
    """
    values: Any = OmegaConf.create()
    for word in arguments:
        key, equals, _ = word.partition("=")
        if not equals or not key:
            raise UsageError(f"'{describe_value(word)}' is no setting: write key=value, for example seed=1.")
        try:
            values = OmegaConf.merge(values, OmegaConf.from_dotlist([word]))
            OmegaConf.to_container(values, resolve=True)
        except (OmegaConfBaseException, YAMLError, ValueError, TypeError) as error:
            reason = describe_value(first_line(error))
            raise UsageError(f"'{describe_value(word)}' cannot be read: {reason}.") from error
    return typing.cast(dict[str, Any], OmegaConf.to_container(values, resolve=True))


def parse_parts(
    arguments: Sequence[str], keys: type[Keys], parts: Sequence[str]
) -> tuple[Keys, dict[str, dict[str, Any]]]:
    """Parse a command line into the command's settings and the values of its parts, such as `data.…` and `fixed.…`.

    Args:
        arguments: `key=value` words.
        keys: the command's settings.
        parts: names of the parts; one that is not given is empty.

    Raises:
        UsageError: a word that is no `key=value`, an unknown key, or a part that is given as a value.
    """
    values = parse_arguments(arguments)
    part_values = {name: values.pop(name, {}) for name in parts}
    for key in values:
        if key not in keys.names():
            raise UsageError(describe_unknown(key, [*keys.names(), *parts]))
    for name, part in part_values.items():
        if not isinstance(part, dict):
            text = describe_value(part)
            raise UsageError(f"{name}={text} is no part with settings of its own; write {name}.NAME=VALUE.")
    return keys.from_dict(values), part_values


def command_help(usage: str, settings: type[Settings]) -> str:
    """Write the page of `--help`: the usage, then every key with its default and one line."""
    return f"{usage.strip()}\n\n{table(settings.help_lines())}"


def table(lines: list[tuple[str, str, str]], indent: str = "  ") -> str:
    """Align (key, default, help) rows."""
    widths = [max((len(line[column]) for line in lines), default=0) for column in (0, 1)]
    return "\n".join(
        f"{indent}{key:<{widths[0]}}  {default:<{widths[1]}}  {text}".rstrip() for key, default, text in lines
    )
