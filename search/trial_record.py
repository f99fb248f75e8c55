"""The record of one trial: what `trial.json` holds, with the reports that the trial wrote beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from trainables.files import read_lines, result_file
from trainables.settings import UsageError

Status = Literal["running", "finished", "stopped", "failed"]
TRIAL = "trial.json"


@dataclass(frozen=True)
class TrialRecord:
    """Record of one trial.

    Attributes:
        params: the searched parameters; the default trial has the values of `Config()` for them.
        origin: `default`, `random`, or `model of epoch 3`; in a proof the trial that is trained again: `trial 21`.
        status: `finished` used its budget, `stopped` ended early on purpose, `failed` did not work.
        cause: what ended it: budget, scheduler, patience, health, or a cause of `trainables.failures`; None while it
            runs.
        reason: the cause in words.
        errno: symbol of the operating system's error that failed it, such as `ENOSPC`.
        earlier_failures: how it failed before it was run again: cause, reason, errno, ended, epochs.
        seed: its own; None where it has that of the run.
        reports: one per epoch, in order.
    """

    number: int
    params: dict[str, Any]
    origin: str
    status: Status = "running"
    cause: str | None = None
    reason: str | None = None
    started: float = 0.0
    ended: float | None = None
    seed: int | None = None
    errno: str | None = None
    earlier_failures: tuple[Mapping[str, Any], ...] = ()
    reports: tuple[dict[str, Any], ...] = field(default=(), compare=False)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.status != "running"

    def at(self, epoch: int) -> dict[str, Any] | None:
        """Return the report of an epoch; None if the trial has not reported it."""
        return next((report for report in self.reports if report["epoch"] == epoch), None)


def read_trial(path: Path) -> TrialRecord:
    """Read a trial from its files."""
    try:
        record = _record(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"{path} cannot be read ({error}); move its folder away to continue without that trial."
        ) from error
    return replace(record, reports=tuple(read_lines(result_file(path.parent))))


def _record(values: Any) -> TrialRecord:
    """Make a record without its reports; keys that a newer version wrote are left out."""
    if not isinstance(values, dict) or not isinstance(values.get("params"), dict):
        raise TypeError("it holds no record of a trial")
    names = {item.name for item in fields(TrialRecord)} - {"reports"}
    record = TrialRecord(**{name: value for name, value in values.items() if name in names})
    return replace(record, earlier_failures=tuple(record.earlier_failures))
