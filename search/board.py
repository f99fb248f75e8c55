"""The board: every trial of a run with what it has reported, in the driver's memory and on disk.

Searcher, scheduler and console look at the board and at nothing else, so that their answers are functions of the
record, and a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from search.record import RunFolder, Status, TrialRecord
from search.space import Space
from trainables.objective import COMPARED, COMPARED_END, STAGE

PEERS = (COMPARED, COMPARED_END)  # figures that are the same in trials that may be compared


class Proposal(NamedTuple):
    """A new trial: its parameters, where they come from, and its seed where that is not the run's."""

    params: dict[str, Any]
    origin: str
    seed: int | None = None


class Board:
    """The trials of a run.

    Attributes:
        trials: number → record, with reports reduced to what decisions need.
        waiting: numbers of trials that an earlier process left unfinished; they are given out first.
    """

    def __init__(self, folder: RunFolder, space: Space) -> None:
        self.folder = folder
        self.space = space
        goals = [goal.metric for goal in space.objective.goals]
        judged = ("objective/value", "objective/violation", "objective/feasible")
        self._kept = ("epoch", *judged, STAGE, *PEERS, "stop_reason", *goals, *space.objective.constraints)
        self.trials = {trial.number: self._slim(trial) for trial in folder.trials()}
        self.waiting = [number for number, trial in self.trials.items() if not trial.done]

    # -- what happens --------------------------------------------------------------------------------------------

    def begin(self, params: Mapping[str, Any], origin: str, seed: int | None = None) -> TrialRecord:
        """A new trial with the next number, and a seed of its own if it is given one."""
        trial = self.folder.begin(TrialRecord(self.next_number, dict(params), origin, seed=seed))
        self.trials[trial.number] = trial
        return trial

    def report(self, number: int, report: Mapping[str, Any]) -> None:
        """A trial has trained an epoch; a report that is there already (after a resume) is not taken twice."""
        trial = self.trials[number]
        if report["epoch"] > self.epochs(number):
            kept = {key: report[key] for key in self._kept if key in report}
            self.trials[number] = replace(trial, reports=(*trial.reports, kept))

    def end(self, number: int, status: Status, cause: str, reason: str) -> None:
        """A trial has ended."""
        self.trials[number] = self.folder.end(self.trials[number], status, cause, reason)

    # -- what is known -------------------------------------------------------------------------------------------

    @property
    def next_number(self) -> int:
        """The number of the next new trial."""
        return max(self.trials, default=-1) + 1

    def epochs(self, number: int) -> int:
        """How many epochs a trial has reported."""
        reports = self.trials[number].reports
        return int(reports[-1]["epoch"]) if reports else 0

    def value(self, number: int, epoch: int) -> float | None:
        """The objective of a trial at an epoch, if it got there."""
        report = self.trials[number].at(epoch)
        return None if report is None else float(report["objective/value"])

    def peers(self, number: int, epoch: int) -> list[int]:
        """The other trials that have reported an epoch in the same stage, and are as far in it.

        A border between stages bars comparison, and so does another length of the stage: its schedule is elsewhere.
        Stages that say that they are comparable count as one.
        """
        mine = self.trials[number].at(epoch) or {}
        reports = {each: trial.at(epoch) for each, trial in self.trials.items() if each != number}
        return [
            each
            for each, report in reports.items()
            if report is not None and all(report.get(key) == mine.get(key) for key in PEERS)
        ]

    def values(self, number: int, until: int) -> list[float]:
        """The objective of a trial at each epoch up to one."""
        return [float(report["objective/value"]) for report in self.trials[number].reports if report["epoch"] <= until]

    def best_report(self, number: int) -> Mapping[str, Any] | None:
        """The report of a trial's best epoch."""
        return self.space.objective.best(self.trials[number].reports)

    def ranked(self) -> list[int]:
        """The trials that have ended and have a result, the one with the best epoch first; failed ones are left out."""
        ended = (number for number, trial in self.trials.items() if trial.status in ("finished", "stopped"))
        return self._by_rank(ended)

    def best(self) -> int | None:
        """The trial with the best epoch of all, running ones included, failed ones not."""
        working = (number for number, trial in self.trials.items() if trial.status != "failed")
        return next(iter(self._by_rank(working)), None)

    def _by_rank(self, numbers: Iterable[int]) -> list[int]:
        reports = {number: report for number in numbers if (report := self.best_report(number)) is not None}
        return sorted(reports, key=lambda number: self.space.objective.rank(reports[number]), reverse=True)

    def front(self) -> list[int]:
        """Of several goals: the ended trials that no other dominates at their last epoch, the best of the first ahead.

        Those that violate a constraint count only if all do.
        """
        last = {number: self.trials[number].reports[-1] for number in self.ranked()}
        feasible = [number for number, report in last.items() if report["objective/feasible"]] or list(last)
        points = [self.space.objective.values(last[number]) for number in feasible]
        return [feasible[index] for index in self.space.objective.front(points)]

    def chosen(self) -> int | None:
        """The trial of the front that the objective's rule chooses; None where no trial there keeps the constraints."""
        last = {number: self.trials[number].reports[-1] for number in sorted(self.front())}
        kept = {number: report for number, report in last.items() if report["objective/feasible"]}
        place = self.space.objective.choose([self.space.objective.values(report) for report in kept.values()])
        return None if place is None else list(kept)[place]

    def count(self, *statuses: Status) -> int:
        """How many trials are in one of these states."""
        return sum(trial.status in statuses for trial in self.trials.values())

    def left(self) -> int:
        """How many trials have yet to be given out."""
        return max(0, self.space.budget.trials - self.next_number) + len(self.waiting)

    def failures(self) -> Sequence[TrialRecord]:
        """The trials that did not work."""
        return [trial for trial in self.trials.values() if trial.status == "failed"]

    def _slim(self, trial: TrialRecord) -> TrialRecord:
        reports = tuple({key: report[key] for key in self._kept if key in report} for report in trial.reports)
        return replace(trial, reports=reports)
