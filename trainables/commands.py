"""What all commands of the project do with their result, with bad input, and with warnings."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable

from trainables.settings import Notice, UsageError

_standard = warnings.formatwarning


def command(main: Callable[[list[str]], int]) -> None:
    """Run a command's `main` on the process's arguments and exit; a `UsageError` becomes its sentence and code 2."""
    warnings.formatwarning = formatted
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def formatted(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """What is printed of a warning: of a `Notice` the sentence alone, without its place in the code."""
    if issubclass(category, Notice):
        return f"warning: {message}\n"
    return _standard(message, category, filename, lineno, line)
