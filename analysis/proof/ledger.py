"""The ledger of a run's test split: when it was looked at, for what, and the result. A second look needs a request."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from trainables.files import append_line
from trainables.settings import UsageError

LEDGER = "test_ledger.jsonl"
LOCK = ".test_ledger.lock"


def read_looks(run: Path) -> list[dict[str, Any]]:
    """Read all looks at the test split in order: `when`, `for`, `result`. A damaged entry counts as a look."""
    path = run / LEDGER
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return [_parse_look(line) for line in lines if line.strip()]


def check_unseen(run: Path, *, repeat: bool) -> None:
    """Check that the test split may be looked at.

    Raises:
        UsageError: it has been looked at, and `repeat` is not set.
    """
    looks = read_looks(run)
    if looks and not repeat:
        raise UsageError(
            f"the test split of {run.name} was looked at on {looks[0]['when']} for {looks[0]['for']}; "
            f"again=true looks once more, and the model card counts it."
        )


@contextlib.contextmanager
def reserve_look(run: Path, purpose: str, *, repeat: bool) -> Iterator[Callable[[Mapping[str, Any]], int]]:
    """Lock the ledger for one look.

    Yields:
        A function that enters the look's result in the ledger and returns the number of looks; call it before the
        result is shown to anybody.

    Raises:
        UsageError: as in `check_unseen`; another process may have looked while this one trained.
    """
    with FileLock(run / LOCK):
        check_unseen(run, repeat=repeat)

        def enter(result: Mapping[str, Any]) -> int:
            append_line(run / LEDGER, {"when": time.strftime("%Y-%m-%d %H:%M"), "for": purpose, "result": dict(result)})
            return len(read_looks(run))

        yield enter


def _parse_look(line: str) -> dict[str, Any]:
    unknown = {"when": "a day that cannot be read", "for": "something that cannot be read", "result": {}}
    try:
        values = json.loads(line)
    except ValueError:
        return unknown
    return {**unknown, **values} if isinstance(values, dict) else unknown
