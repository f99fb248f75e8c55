"""The ledger of a run's test split: who looked when, and what was seen. A second look must be asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.files import append_line, read_lines
from trainables.settings import UsageError

LEDGER = "test_ledger.jsonl"


def looks(run: Path) -> list[dict[str, Any]]:
    """All looks at the test split, the first one first: `when`, `for`, `result`."""
    return read_lines(run / LEDGER)


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


def enter(run: Path, what: str, result: Mapping[str, Any]) -> int:
    """Enter a look, before anybody sees its result; returns how many there have been."""
    append_line(run / LEDGER, {"when": time.strftime("%Y-%m-%d %H:%M"), "for": what, "result": dict(result)})
    return len(looks(run))
