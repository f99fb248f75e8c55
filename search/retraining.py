"""Confirm: train given settings again over given seeds, in full and in parallel on Ray.

A confirmation is a run of its own, below the run that it confirms: trials that are planned instead of proposed, that
nothing stops before their budget, and that are gone on with when they were interrupted.
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
from search.console import StatusLine, clock
from search.placement import gpu_names
from search.ray_environment import quiet_ray
from search.record import RUN, RunFolder
from search.request import Run
from search.space import Space, with_trials, without_stopping
from trainables.settings import UsageError

__all__ = ["Proposal", "Training", "confirm"]


@dataclass(frozen=True)
class Training:
    """How every planned trial is trained.

    Attributes:
        epochs: full budget.
        processes: that train it together.
        retry: whether those that failed in an earlier call are trained again.
    """

    epochs: int
    processes: int = 1
    retry: bool = False


def confirm(where: Mapping[str, Any], space: Space, folder: Path, plan: Sequence[Proposal], training: Training) -> bool:
    """Train what is planned and not yet there; returns whether all of it has ended, well or not.

    Args:
        where: keys of `search.request.Run` on placement and printing; each planned trial has a seed of its own.
        folder: of the confirmation; a first call makes it, later ones go on and may plan more.

    Raises:
        UsageError: the folder holds a confirmation of other settings or epochs.
    """
    run = Run.of({**where, "storage": str(folder.parent), "name": folder.name})
    quiet_ray()
    from search import cluster  # noqa: PLC0415  (imports Ray, which must find its environment set)

    space = without_stopping(space, training.epochs)
    config = space.config(space.default_params())
    space.check_start()
    space.entry.prepare(config, space.data)
    there = _open(folder, run, space)
    with there.claimed():
        trials = there.trials()
        kept = [trial for trial in trials if not (training.retry and trial.status == "failed")]
        known = [Proposal(trial.params, trial.origin, trial.seed) for trial in kept]
        missing = [each for each in plan if each not in known]
        first = max((trial.number for trial in trials), default=-1) + 1  # numbers may have holes
        space = with_trials(space, max(1, first + len(missing)))
        there.write_space(space)
        board = Board(there, space)
        line = ConfirmationLine(board, run, time.monotonic())
        if board.left():
            with cluster.connected(run) as machine:
                cluster.search(run, board, machine, line, lambda number: missing[number - first], training.processes)
        line.close()
    return not (board.left() or board.count("running"))


class ConfirmationLine(StatusLine):
    """The line about a confirmation: trainings ended, the mean of each config so far, and the time left."""

    def __init__(self, board: Board, run: Run, began: float) -> None:
        super().__init__(board, run, began)
        epochs = board.space.budget.max_epochs
        self.epochs_before = sum(epochs if trial.done else board.epochs(n) for n, trial in board.trials.items())

    def text(self) -> str:
        """As the class says."""
        board = self.board
        values = defaultdict(list)
        for number in board.ranked():
            report = board.best_report(number)
            if report is not None:
                values[board.trials[number].origin].append(float(report["objective/value"]))
        means = [f"{origin} {statistics.fmean(each):.4g} ({len(each)})" for origin, each in sorted(values.items())]
        failed = [f"{len(board.failures())} failed ({board.failures()[-1].reason})"] if board.failures() else []
        ended = board.count("finished", "stopped", "failed")
        return " · ".join([f"{ended}/{board.space.budget.trials} trainings", *failed, *means, self._left()])

    def _left(self) -> str:
        """By epochs, for a training in full may be most of the time."""
        budget, spent = self.board.space.budget, time.monotonic() - self.began
        ended = {number for number, trial in self.board.trials.items() if trial.done}
        done = sum(budget.max_epochs if n in ended else self.board.epochs(n) for n in self.board.trials)
        whole = budget.trials * budget.max_epochs
        here = done - self.epochs_before
        if done >= whole:
            return f"done in {clock(spent)}"
        return f"about {clock(spent / here * (whole - done))} left" if here else f"{clock(spent)} so far"


def _open(folder: Path, run: Run, space: Space) -> RunFolder:
    """The confirmation's folder, new or as it was left."""
    if folder.exists() and not (folder / RUN).exists() and not any(folder.glob("trial_*")):
        shutil.rmtree(folder)  # of a call that was killed before it had begun
    if not folder.exists():
        settings = {**run.as_dict(), "space_name": space.name}
        return RunFolder.create(folder, settings, space, gpu_names())
    there = RunFolder.open(folder)
    begun = with_trials(there.space(), space.budget.trials)
    if begun.source != space.source:
        raise UsageError(
            f"{folder} holds a confirmation with {begun.budget.max_epochs} epochs or other settings; "
            f"move it away to begin another one."
        )
    return there
