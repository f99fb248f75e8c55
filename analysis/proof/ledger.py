"""The ledger of a run's test split: who looked when, and what was seen. A second look must be asked for."""

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


def looks(run: Path) -> list[dict[str, Any]]:
    """All looks at the test split, the first one first: `when`, `for`, `result`. A damaged entry is a look, too."""
    path = run / LEDGER
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return [_look(line) for line in lines if line.strip()]


def check_unseen(run: Path, *, again: bool) -> None:
    """See that the test split may be looked at.

    Raises:
        UsageError: it has been, and nobody asked for another look.
    """
    seen = looks(run)
    if seen and not again:
        raise UsageError(
            f"the test split of {run.name} was looked at on {seen[0]['when']} for {seen[0]['for']}; "
            f"again=true looks once more, and the model card counts it."
        )


@contextlib.contextmanager
def looking(run: Path, what: str, *, again: bool) -> Iterator[Callable[[Mapping[str, Any]], int]]:
    """Hold the ledger for one look; yields what enters its result, before anybody sees it, and counts the looks.

    Raises:
        UsageError: as `check_unseen`; another process may have looked while this one trained.
    """
    with FileLock(run / LOCK):
        check_unseen(run, again=again)

        def enter(result: Mapping[str, Any]) -> int:
            append_line(run / LEDGER, {"when": time.strftime("%Y-%m-%d %H:%M"), "for": what, "result": dict(result)})
            return len(looks(run))

        yield enter


def _look(line: str) -> dict[str, Any]:
    unknown = {"when": "a day that cannot be read", "for": "something that cannot be read", "result": {}}
    try:
        values = json.loads(line)
    except ValueError:
        return unknown
    return {**unknown, **values} if isinstance(values, dict) else unknown
