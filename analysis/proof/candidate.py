"""The candidates of a proof and its default: the settings of a trial, trained again over fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.wording import format_count, inflect, join_words
from trainables.objective import Goal


@dataclass(frozen=True)
class Candidate:
    """The settings of a trial, or the default settings, trained again over fresh seeds.

    Attributes:
        trial: number in the search; 0 is the default.
        values: the metric by which the proof is made, in the standing report of each training, by seed.
        failed: seeds whose training failed.
        search_value: the result in the search, on one seed; None where it has none.
        search_epochs: the number of epochs trained in the search.
        trainings: number of each training in the proof's folder, by seed.
        goal_values: values of every goal's metric by seed, by metric.
        violations: phrases with metric, mean over the seeds and bound, of the constraints that these means violate.
        failures: why each failed training failed, or in which stage it ended, by seed.
    """

    trial: int
    values: Mapping[int, float]
    failed: Sequence[int]
    search_value: float | None
    search_epochs: int | None
    trainings: Mapping[int, int]
    goal_values: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    violations: Sequence[str] = ()
    failures: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name for people."""
        return f"trial {self.trial}" if self.trial else "the default"

    @property
    def feasible(self) -> bool:
        """Whether the constraints hold on average over the seeds."""
        return not self.violations

    @property
    def mean(self) -> float:
        """The mean over the seeds; NaN where all failed."""
        return mean_value(self.values)

    @property
    def violation(self) -> str:
        """The violated constraints with figures and bounds, as a clause; empty without any, or without results."""
        if not self.values or not self.violations:
            return ""
        noun = inflect(len(self.violations), "a constraint", "constraints")
        return f"violates {noun} on average: {join_words(self.violations)}"

    def optimism(self, goal: Goal, epochs: int) -> float | None:
        """Return by how much the search's value was too good; None if it was trained for another number of epochs."""
        if self.search_value is None or self.search_epochs != epochs or not self.values:
            return None
        if math.isclose(self.search_value, self.mean, rel_tol=1e-9):
            return 0.0  # the mean of equal values may differ from them in the last digit
        return goal.sign * (self.search_value - self.mean)

    def count_seeds(self) -> str:
        """Count the seeds with a result, and those that failed."""
        failed = f", {len(self.failed)} more failed" if self.failed else ""
        return f"{format_count(len(self.values), 'seed')}{failed}"

    def describe_lack(self) -> str:
        """Describe why it has no result: on how many of its seeds it failed, and how on the first of them."""
        count, total = len(self.failures), len(self.trainings)
        if not count:
            return f"{self.name} has no result yet"
        seeds = f"{count} of {format_count(total, 'seed')}" if count < total else format_count(total, "seed")
        if count == total > 1:
            seeds = f"all {seeds}"
        seed, reason = min(self.failures.items())
        return f"{self.name} has no result: it failed on {seeds} (seed {seed}: {reason})"

    def as_dict(self, goal: Goal, epochs: int) -> dict[str, Any]:
        """Convert to plain values for JSON."""
        return {
            "trial": self.trial,
            "values": self.values,
            "failed": self.failed,
            "feasible": self.feasible,
            "searched": self.search_value,
            "searched_epochs": self.search_epochs,
            "trainings": self.trainings,
            "mean": self.mean if self.values else None,
            "optimism": self.optimism(goal, epochs),
            "goals": self.goal_values,
            "violations": self.violations,
        }


def make_candidate(number: int, rows: pd.DataFrame, search: Experiment, goal: Goal) -> Candidate:
    """Make a candidate of its trainings; one that ended itself before its last stage counts as failed.

    Args:
        number: of the trial in the search; 0 is the default.
        rows: of the trainings, from the trials of the proof's folder read as a run.
        search: the run that is to be proved.
        goal: the goal whose metric is `values`.
    """
    seeds = rows["seed"].astype(int)
    is_unfinished = rows["stages_left"] > 0  # its figures are those of another model than the one to be judged
    is_failed = (rows["status"] == "failed") | (is_unfinished & (rows["status"] != "running"))
    complete = rows[~is_unfinished]
    metrics = dict.fromkeys([goal.metric, *(entry.metric for entry in search.objective.goals)])
    goal_values = {metric: _values_by_seed(seeds[complete.index], complete[metric]) for metric in metrics}
    search_value = search.trials.loc[search.ranking, goal.metric].dropna().get(number)
    means = {metric: float(complete[metric].mean()) for metric in search.objective.constraints}
    return Candidate(
        trial=number,
        values=goal_values[goal.metric],
        failed=tuple(int(seed) for seed in seeds[is_failed]),
        search_value=None if search_value is None else float(search_value),
        search_epochs=None if search_value is None else int(search.trials["epochs"][number]),
        trainings={int(seed): int(training) for seed, training in zip(seeds, rows.index, strict=True)},
        goal_values=goal_values,
        violations=search.objective.describe_violations(means),
        failures={int(row["seed"]): _describe_failure(row) for _, row in rows[is_failed].iterrows()},
    )


def mean_value(values: Mapping[int, float]) -> float:
    """Average values over seeds; NaN without any."""
    return float(np.mean(list(values.values()))) if values else math.nan


def _describe_failure(row: pd.Series) -> str:
    """Describe how a failed training ended; one that ended itself before its last stage has no error."""
    reason = "" if pd.isna(row["reason"]) else str(row["reason"])
    if row["status"] == "failed":
        return reason or "no reason is recorded"
    return f"ended in stage {row['stage']}, before the last{f': {reason}' if reason else ''}"


def _values_by_seed(seeds: pd.Series, values: pd.Series) -> dict[int, float]:
    return {int(seed): float(value) for seed, value in zip(seeds, values, strict=True) if not pd.isna(value)}
