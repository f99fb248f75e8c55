"""Which trials are stopped before their budget ends, as pure rules over the board, and the adapter that Ray calls.

The default trial is never stopped by a rule: it is what the winner is compared with.
Sources: ASHA, Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning, algorithm 2 in its stopping form;
median stopping, Golovin et al. 2017, Google Vizier, section 3.2.1.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.board import Board
from trainables.failures import Failure, read_failure
from trainables.files import trial_folder

Rule = Callable[[Board, int, int], str | None]
"""(board, trial, epoch) → why the trial should stop after that epoch, or None."""


def asha(board: Board, number: int, epoch: int) -> str | None:
    """Stop a trial that is not among the best 1/reduction of those that reached this rung before it."""
    budget = board.space.budget
    if epoch not in budget.rungs[:-1]:
        return None
    values = [value for peer in board.peers(number, epoch) if (value := board.value(peer, epoch)) is not None]
    if not values:
        return None
    goal = board.space.objective.first
    share = 1 / budget.reduction
    cutoff = float(np.quantile(values, 1 - share if goal.mode == "max" else share))
    value = board.values(number, epoch)[-1]
    if not goal.is_better(cutoff, than=value):
        return None
    return f"not among the best 1/{budget.reduction} at epoch {epoch}: {value:.4g}, needed {cutoff:.4g}"


def median_stopping(board: Board, number: int, epoch: int, *, min_peers: int = 3) -> str | None:
    """Stop a trial whose best so far is below the median of the ended trials' running means at the same epoch."""
    if epoch < board.space.budget.grace_epochs:
        return None
    peers = [peer for peer in board.peers(number, epoch) if board.trials[peer].done]
    means = [statistics.fmean(board.values(peer, epoch)) for peer in peers]
    if len(means) < min_peers:
        return None
    goal = board.space.objective.first
    best = (max if goal.mode == "max" else min)(board.values(number, epoch))
    middle = statistics.median(means)
    return (
        f"below the median at epoch {epoch}: {best:.4g}, median {middle:.4g}"
        if goal.is_better(middle, than=best)
        else None
    )


def never_stop(board: Board, number: int, epoch: int) -> str | None:
    """Stop nothing."""
    return None


RULES: dict[str, Rule] = {"asha": asha, "median": median_stopping, "none": never_stop}


def should_stop(board: Board, number: int, epoch: int) -> str | None:
    """Return why the run's rule stops a trial, or None; the default trial is never stopped."""
    return None if number == 0 else RULES[board.space.scheduler.kind](board, number, epoch)


def settle(board: Board) -> None:
    """End, after a kill, the trials whose reports decide their end although it was not recorded."""
    for number in list(board.waiting):
        reports = board.trials[number].reports
        if not reports:
            continue
        last = reports[-1]
        reason = should_stop(board, number, last["epoch"])
        if reason:
            board.end(number, "stopped", "scheduler", reason)
        elif last["epoch"] >= board.space.budget.max_epochs or last.get("stop_reason"):
            _end_by_report(board, number, last)
        else:
            continue
        board.waiting.remove(number)


class BoardScheduler(FIFOScheduler):
    """Passes the reports of Ray's trials to the board, and the decisions of the run's rule to Ray."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board
        self._retries: Counter[int] = Counter()

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Take the report of an epoch; a trial that ends by itself is reported in `on_trial_complete` alone."""
        number = trial.config["trial"]
        self.board.report(number, result)
        reason = should_stop(self.board, number, result["epoch"])
        if reason is None:
            return str(TrialScheduler.CONTINUE)
        self.board.end(number, "stopped", "scheduler", reason)
        return str(TrialScheduler.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Take the end of a trial: by this scheduler, by itself, or because it failed."""
        number = trial.config["trial"]
        if self.board.trials[number].done:
            return
        if result.get("failed"):
            self._fail(number, Failure(result["stop_reason"], result.get("cause", "error"), result.get("errno")))
        else:
            self.board.report(number, result)
            _end_by_report(self.board, number, result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Take the death of a trial's process; Ray calls this before every restart, and when it gives up."""
        if trial.status == Trial.ERROR:  # queued for a restart; a trial that Ray gives up on is running or pending
            return
        number = trial.config["trial"]
        if trial.status == Trial.PENDING and self._retries[number] < trial.max_failures:
            # Its actor died before it began: Ray drops the trial, and the searcher proposes it again.
            self._retries[number] += 1
            self.board.waiting.append(number)
            return
        outside = "its process was killed from outside, perhaps for lack of memory; try fewer trials at a time"
        self._fail(number, read_failure(trial_folder(self.board.folder.path, number)) or Failure(outside))

    def _fail(self, number: int, failure: Failure) -> None:
        self.board.end(number, "failed", failure.cause, failure.reason, failure.errno)


def _end_by_report(board: Board, number: int, last: dict[str, Any]) -> None:
    reason = last.get("stop_reason")
    if reason:
        board.end(number, "stopped", str(reason).split(":")[0], str(reason))
    else:
        board.end(number, "finished", "budget", f"trained its {last['epoch']} epochs")
