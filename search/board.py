"""The board: every trial of a run with what it has reported, in the driver's memory and on disk.

Searcher, scheduler and console read the board and nothing else, so that their answers are functions of the record, and
a run that was killed is resumed as if it had not been.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from search.record import RunFolder, Status, TrialRecord
from search.space import Space
from trainables.objective import (
    COMPARABLE_END,
    COMPARABLE_STAGE,
    FEASIBLE,
    STAGE,
    STAGE_NAME,
    STAGES_LEFT,
    VALUE,
    VIOLATION,
)
from trainables.standing import (
    Comparison,
    choose_trial,
    compare_trials,
    describe_default,
    find_front,
    is_settled,
    stage_name,
)

COMPARABLE_KEYS = (COMPARABLE_STAGE, COMPARABLE_END)  # equal in trials that may be compared


class Proposal(NamedTuple):
    """A new trial: its parameters, their origin, and its seed where that is not the run's."""

    params: dict[str, Any]
    origin: str
    seed: int | None = None


class Board:
    """The trials of a run.

    Attributes:
        trials: number → record, with reports reduced to what decisions need.
        waiting: numbers of trials that an earlier process left unfinished; they are started first.
        environment_failures: trials that the environment failed since one ended otherwise, in this process.
        record_error: what kept the record from being written.
    """

    def __init__(self, folder: RunFolder, space: Space) -> None:
        self.folder = folder
        self.space = space
        stage = (STAGE_NAME, STAGE, STAGES_LEFT, *COMPARABLE_KEYS)
        self._keys = ("epoch", VALUE, VIOLATION, FEASIBLE, *stage, "stop_reason", *space.objective.metrics)
        self.trials = {trial.number: self._slim(trial) for trial in folder.trials()}
        self._standing: dict[int, tuple[Sequence[Mapping[str, Any]], Mapping[str, Any] | None]] = {}
        self.waiting = [number for number, trial in self.trials.items() if not trial.done]
        self.environment_failures: list[TrialRecord] = []
        self.record_error: OSError | None = None

    def begin(self, params: Mapping[str, Any], origin: str, seed: int | None = None) -> TrialRecord:
        """Begin a new trial with the next number, and with a seed of its own if one is given."""
        with self._recording():
            trial = self.folder.begin(TrialRecord(self.next_number, dict(params), origin, seed=seed))
        self.trials[trial.number] = trial
        return trial

    def retry_failures(self) -> None:
        """Let all failed trials be run again; what failed stays in their records."""
        for trial in self.failures():
            self.trials[trial.number] = self.folder.retry(trial)
            self.waiting.append(trial.number)
        self.waiting.sort()

    def report(self, number: int, report: Mapping[str, Any]) -> None:
        """Take the report of a trial's epoch; one that is there already (after a resume) is not taken twice."""
        trial = self.trials[number]
        if report["epoch"] > self.epochs(number):
            slim = {key: report[key] for key in self._keys if key in report}
            self.trials[number] = replace(trial, reports=(*trial.reports, slim))

    def end(self, number: int, status: Status, cause: str, reason: str, errno: str | None = None) -> None:
        """Record that a trial has ended."""
        with self._recording():
            self.trials[number] = self.folder.end(self.trials[number], status, cause, reason, errno)
        is_environment = self.trials[number].cause == "environment"
        self.environment_failures = [*self.environment_failures, self.trials[number]] if is_environment else []

    @contextlib.contextmanager
    def _recording(self) -> Iterator[None]:
        """Keep the error of a record that cannot be written: Ray, which calls, passes on its text alone."""
        try:
            yield
        except OSError as error:
            self.record_error = error
            raise

    @property
    def next_number(self) -> int:
        """The number of the next new trial."""
        return max(self.trials, default=-1) + 1

    def epochs(self, number: int) -> int:
        """Count the epochs that a trial has reported."""
        reports = self.trials[number].reports
        return int(reports[-1]["epoch"]) if reports else 0

    def value(self, number: int, epoch: int) -> float | None:
        """Return a trial's objective at an epoch; None if it has not reported it."""
        report = self.trials[number].at(epoch)
        return None if report is None else float(report["objective/value"])

    def peers(self, number: int, epoch: int) -> list[int]:
        """List the other trials with which a trial may be compared at an epoch.

        They have reported the epoch in the same stage of the same length: across a border of stages metrics mean
        something else, and in a stage of another length the schedule is elsewhere. Comparable stages count as one.
        """
        report_here = self.trials[number].at(epoch) or {}
        reports = {peer: trial.at(epoch) for peer, trial in self.trials.items() if peer != number}
        return [
            peer
            for peer, report in reports.items()
            if report is not None and all(report.get(key) == report_here.get(key) for key in COMPARABLE_KEYS)
        ]

    def values(self, number: int, last: int) -> list[float]:
        """Return a trial's objective at each epoch up to the last one."""
        reports = [report for report in self.trials[number].reports if report["epoch"] <= last]
        return [float(report["objective/value"]) for report in reports]

    def standing_report(self, number: int) -> Mapping[str, Any] | None:
        """Return the report that stands for a trial; None before there is one.

        It is looked up anew after new reports alone, because the status line ranks all trials twice a second.
        """
        reports = self.trials[number].reports
        before, standing = self._standing.get(number, (None, None))
        if before is not reports:
            standing = self.space.objective.standing_report(reports)
            self._standing[number] = (reports, standing)
        return standing

    def compare(self) -> Comparison:
        """Tell the trials that may be compared, running ones included, from those left in an earlier stage."""
        reports = {
            number: self.standing_report(number) for number, trial in self.trials.items() if trial.status != "failed"
        }
        return compare_trials(self.space.objective, reports, self.space.budget.max_epochs)

    def ranking(self) -> list[int]:
        """Rank the trials that ended with a result and may be compared, the best first; failed ones are left out."""
        return [number for number in self.compare().ranking if self.trials[number].done]

    def best(self) -> int | None:
        """Return the best trial of all that may be compared, running ones included, failed ones not."""
        return next(iter(self.compare().ranking), None)

    def front(self) -> list[int]:
        """List the settled trials that no other dominates, the best in the first goal ahead."""
        reports = self._settled_reports()
        members = find_front(self.space.objective, reports)
        return sorted(members, key=[*reports].index)

    def choice(self) -> int | None:
        """Choose a trial of the front by the objective's rule; None where no trial there satisfies the constraints."""
        reports = self._settled_reports()
        return choose_trial(self.space.objective, {number: reports[number] for number in self.front()})

    def default_note(self, *, is_brief: bool = False) -> str:
        """Describe what a comparison with the default trial must not hide; empty where there is nothing.

        Args:
            is_brief: whether the kind of its end (health, patience) is enough.
        """
        trial = self.trials.get(0)
        if trial is None:
            return ""
        report = trial.reports[-1] if trial.reports else {}
        objective, standing = self.space.objective, self.standing_report(0)
        return describe_default(
            trial.status,
            trial.reason.partition(":")[0] if is_brief and trial.reason else trial.reason,
            epochs=self.epochs(0),
            budget=self.space.budget.max_epochs,
            stage=stage_name(report),
            figure=f"{objective.first.metric} {standing[VALUE]:.4g}" if standing else "",
            is_compared=0 in self.compare().ranking,
        )

    def _settled_reports(self) -> dict[int, Mapping[str, Any]]:
        """Return the standing reports of the settled trials that may be compared, the best in the first goal ahead."""
        numbers = [n for n in self.compare().ranking if is_settled(self.trials[n].status, self.trials[n].cause)]
        reports = {number: self.standing_report(number) for number in numbers}
        return {number: report for number, report in reports.items() if report is not None}

    def count(self, *statuses: Status) -> int:
        """Count the trials in one of these states."""
        return sum(trial.status in statuses for trial in self.trials.values())

    def remaining(self) -> int:
        """Count the trials that have yet to be started."""
        return max(0, self.space.budget.trials - self.next_number) + len(self.waiting)

    def failures(self) -> Sequence[TrialRecord]:
        """List the failed trials."""
        return [trial for trial in self.trials.values() if trial.status == "failed"]

    def _slim(self, trial: TrialRecord) -> TrialRecord:
        reports = tuple({key: report[key] for key in self._keys if key in report} for report in trial.reports)
        return replace(trial, reports=reports)
