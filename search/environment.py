"""What to do when trials fail for what is no fault of their settings: then all others would fail as well.

The environment fails a run with a full disk, a file that vanished, a limit that is reached. One such trial does not end
a search, since it may have been an accident; several in a row do. Nothing of it is told to the searcher. An objective
with a metric that no trial has reported yet ends a search at its first trial.
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Sequence
from pathlib import Path

from search.board import Board, Proposal
from search.record import TrialRecord
from trainables.settings import first_line

FAILURES_IN_A_ROW = 3
"""Trials that the environment failed, with none that ended otherwise between them, after which a search stops."""

REMEDIES = {
    **dict.fromkeys(("ENOSPC", "EDQUOT", "EFBIG"), "make room on the disk, or raise the quota"),
    **dict.fromkeys(("EROFS", "EACCES", "EPERM"), "make the folder writable"),
    **dict.fromkeys(("EMFILE", "ENFILE"), "raise the number of files that may be open (ulimit -n)"),
    **dict.fromkeys(("ENOENT", "ENOTDIR"), "put the file back"),
    **dict.fromkeys(("ESTALE", "EIO", "ENODEV", "ENXIO", "ENOTCONN"), "check the disk or the mount"),
}
DEFAULT_REMEDY = "repair that"


def is_blocked(board: Board) -> bool:
    """Return whether going on is no use: the record cannot be written, or every trial would fail."""
    is_environment = len(board.environment_failures) >= FAILURES_IN_A_ROW
    return board.record_error is not None or is_environment or find_missing_metric(board) is not None


def find_missing_metric(board: Board) -> str | None:
    """Return what the objective names and no trial reports; None while a trial has a report, or none lacks a metric."""
    if any(trial.reports for trial in board.trials.values()):
        return None
    return next((trial.reason for trial in board.failures() if trial.cause == "objective"), None)


def find_unrepeated(board: Board, plan: Sequence[Proposal]) -> list[TrialRecord]:
    """Find the trainings of a plan that the environment failed and that have not been repeated since."""
    trials = list(board.trials.values())
    proposals = [Proposal(trial.params, trial.origin, trial.seed) for trial in trials]
    return [
        trial
        for index, trial in enumerate(trials)
        if trial.status == "failed"
        and trial.cause == "environment"
        and proposals[index] in plan
        and proposals[index] not in proposals[index + 1 :]
    ]


def describe_failures(failures: Sequence[TrialRecord]) -> str:
    """Name trials that the environment failed, why the last one did, and what to do about it."""
    names = ", ".join(f"#{trial.number}" for trial in failures)
    kind = "trial" if len(failures) == 1 else "trials"
    reason = str(failures[-1].reason).rstrip(".")
    return (
        f"{len(failures)} {kind} ({names}) failed because of the environment, not of their settings: {reason}; "
        f"{REMEDIES.get(failures[-1].errno or '', DEFAULT_REMEDY)}"
    )


def explain_error(error: OSError) -> str:
    """Say what the operating system refused, and what to do about it."""
    return f"{first_line(error)}: {REMEDIES.get(errno.errorcode.get(error.errno or 0, ''), DEFAULT_REMEDY)}"


def resume_command(folder: Path, *, retry: bool = False) -> str:
    """Write the command that resumes a run, and runs its failed trials again if asked."""
    path = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    return f"python -m search.run resume={shlex.quote(str(path))}{' retry=true' if retry else ''}"
