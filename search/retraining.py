"""The trainings of a proof: given settings over given seeds, in full and in parallel on Ray.

They are a run of its own, below the run that is proved: trials that are planned instead of proposed, that no scheduler
stops, and that are resumed when they were interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.board import Board, Proposal
from search.environment import describe_failures, explain_error, find_unrepeated
from search.interruption import Interruption
from search.placement import gpu_names
from search.ray_environment import quiet_ray
from search.record import RUN, RunFolder, TrialRecord
from search.request import Run
from search.space import Space, with_trials, without_stopping
from search.status import StatusLine, clock
from trainables.progress import silence
from trainables.settings import UsageError

__all__ = ["Proposal", "Training", "retrain"]


@dataclass(frozen=True)
class Training:
    """Settings of every planned training.

    Attributes:
        epochs: full budget.
        processes: that train it together.
        retry: whether those that failed in an earlier call are trained again.
    """

    epochs: int
    processes: int = 1
    retry: bool = False


def retrain(keys: Mapping[str, Any], space: Space, folder: Path, plan: Sequence[Proposal], training: Training) -> bool:
    """Train what is planned and not trained yet; returns whether all of it has ended, failed or not.

    Args:
        keys: of `search.request.Run`, on placement and printing.
        space: of the run that is proved.
        folder: of the trainings; a first call creates it, later calls resume them and may plan more.
        plan: settings and seed of every training.
        training: epochs, processes, and whether failed trainings are repeated.

    Raises:
        UsageError: the folder holds trainings of other settings or epochs or cannot be written, Ray does not start, or
            the environment failed a training: that is no result.
    """
    run = Run.from_dict({**keys, "storage": str(folder.parent), "name": folder.name})
    quiet_ray(run.ray_start_timeout_s)
    space = without_stopping(space, training.epochs)
    for proposal in plan:
        space.entry.check(space.config(proposal.params), space.data)
    with silence(run.quiet):
        space.entry.prepare(space.config(space.default_params()), space.data)
    try:
        with _claim(folder, run, space) as record:
            board = _train(run, space, record, plan, training)
    except OSError as error:
        if error.errno in (None, errno.EPIPE):
            raise
        raise UsageError(f"{explain_error(error)}, then give the same command again.") from error
    if failures := find_unrepeated(board, plan):
        raise UsageError(f"{describe_failures(failures)}, then give the same command again.")
    return not (board.remaining() or board.count("running"))


def _train(run: Run, space: Space, record: RunFolder, plan: Sequence[Proposal], training: Training) -> Board:
    """Train in the locked folder what is planned and has no result yet; returns the board."""
    from search import cluster  # noqa: PLC0415  (imports Ray, which must find its environment set)

    trials = record.trials()
    records = [trial for trial in trials if not _needs_repeat(trial, training)]
    proposals = [Proposal(trial.params, trial.origin, trial.seed) for trial in records]
    missing = [proposal for proposal in plan if proposal not in proposals]
    first = max((trial.number for trial in trials), default=-1) + 1  # numbers may have holes
    space = with_trials(space, max(1, first + len(missing)))
    record.write_space(space)
    board = Board(record, space)
    line = RetrainingLine(board, run, time.monotonic())
    if board.remaining():
        with cluster.connect(run, Interruption(), record.remove_without_trials) as machine:
            cluster.run_trials(run, board, machine, line, lambda number: missing[number - first], training.processes)
    line.close()
    return board


def _needs_repeat(trial: TrialRecord, training: Training) -> bool:
    """Return whether a training is done again: one that the environment failed, and another failed one if asked."""
    return trial.status == "failed" and (training.retry or trial.cause == "environment")


class RetrainingLine(StatusLine):
    """Status line of a proof: trainings ended, the mean of each config so far, and the time left."""

    def __init__(self, board: Board, run: Run, start: float) -> None:
        super().__init__(board, run, start)
        epochs = board.space.budget.max_epochs
        self.epochs_before = sum(epochs if trial.done else board.epochs(n) for n, trial in board.trials.items())

    def text(self) -> str:
        """Write the line."""
        board = self.board
        values = defaultdict(list)
        for number in board.ranking():
            report = board.standing_report(number)
            if report is not None:
                values[board.trials[number].origin].append(float(report["objective/value"]))
        means = [
            f"{origin} {statistics.fmean(scores):.4g} ({len(scores)})" for origin, scores in sorted(values.items())
        ]
        failed = [f"{len(board.failures())} failed ({board.failures()[-1].reason})"] if board.failures() else []
        count = board.count("finished", "stopped", "failed")
        return " · ".join([f"{count}/{board.space.budget.trials} trainings", *failed, *means, self._left()])

    def _left(self) -> str:
        """Estimate the time left by epochs, because a single training may take most of the time."""
        budget, seconds = self.board.space.budget, time.monotonic() - self.start
        done = sum(
            budget.max_epochs if trial.done else self.board.epochs(number)
            for number, trial in self.board.trials.items()
        )
        total, new = budget.trials * budget.max_epochs, done - self.epochs_before
        if done >= total:
            return f"done in {clock(seconds)}"
        return f"about {clock(seconds / new * (total - done))} left" if new else f"{clock(seconds)} so far"


@contextlib.contextmanager
def _claim(folder: Path, run: Run, space: Space) -> Iterator[RunFolder]:
    """Lock the folder of the trainings, new or as it was left."""
    if not (folder / RUN).exists() and not any(folder.glob("trial_*")):
        settings = {**run.as_dict(), "space_name": space.name}
        with RunFolder.claim_new(folder, settings, space, gpu_names()) as record:
            yield record
        return
    record = RunFolder.open(folder)
    before = with_trials(record.space(), space.budget.trials)
    if before.source != space.source:
        raise UsageError(
            f"{folder} holds trainings of {before.budget.max_epochs} epochs or of other settings; "
            f"move it away to begin others."
        )
    with record.lock():
        yield record
