"""The trainings of a proof: given settings over given seeds, in full and in parallel on Ray.

They are a run of its own, below the run that is proved: trials that are planned instead of proposed, that no scheduler
stops, and that are resumed when they were interrupted.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.board import Board, Proposal
from search.placement import gpu_names
from search.ray_environment import quiet_ray
from search.record import RUN, RunFolder
from search.request import Run
from search.space import Space, with_trials, without_stopping
from search.status import StatusLine, clock
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
        UsageError: the folder holds trainings of other settings or epochs.
    """
    run = Run.from_dict({**keys, "storage": str(folder.parent), "name": folder.name})
    quiet_ray()
    from search import cluster  # noqa: PLC0415  (imports Ray, which must find its environment set)

    space = without_stopping(space, training.epochs)
    for proposal in plan:
        space.entry.check(space.config(proposal.params), space.data)
    space.entry.prepare(space.config(space.default_params()), space.data)
    record = _open(folder, run, space)
    with record.lock():
        trials = record.trials()
        records = [trial for trial in trials if not (training.retry and trial.status == "failed")]
        proposals = [Proposal(trial.params, trial.origin, trial.seed) for trial in records]
        missing = [proposal for proposal in plan if proposal not in proposals]
        first = max((trial.number for trial in trials), default=-1) + 1  # numbers may have holes
        space = with_trials(space, max(1, first + len(missing)))
        record.write_space(space)
        board = Board(record, space)
        line = RetrainingLine(board, run, time.monotonic())
        if board.remaining():
            with cluster.connect(run) as machine:
                cluster.run_trials(
                    run, board, machine, line, lambda number: missing[number - first], training.processes
                )
        line.close()
    return not (board.remaining() or board.count("running"))


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


def _open(folder: Path, run: Run, space: Space) -> RunFolder:
    """Open the folder of the trainings, new or as it was left."""
    if folder.exists() and not (folder / RUN).exists() and not any(folder.glob("trial_*")):
        shutil.rmtree(folder)  # of a call that was killed before it wrote anything
    if not folder.exists():
        settings = {**run.as_dict(), "space_name": space.name}
        return RunFolder.create(folder, settings, space, gpu_names())
    record = RunFolder.open(folder)
    before = with_trials(record.space(), space.budget.trials)
    if before.source != space.source:
        raise UsageError(
            f"{folder} holds trainings of {before.budget.max_epochs} epochs or of other settings; "
            f"move it away to begin others."
        )
    return record
