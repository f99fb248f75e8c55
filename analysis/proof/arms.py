"""Arms of a comparison: runs of one space with different seeds or folds form one arm; compared at equal cost."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.proof.folds import find_fold, find_overlap, fold_gain, fold_interval, search_settings
from analysis.proof.statistics import Gain, Interval, gain, mean_interval
from analysis.proof.trajectory import Cost, total_cost, trajectory, value_at
from trainables.measuring.ranges import metric_range
from trainables.objective import Goal
from trainables.standing import describe_excluded


@dataclass(frozen=True)
class Arm:
    """One space, searched once, or with several seeds or folds of the same data.

    Attributes:
        name: the space's; where several arms have the same space name, the run's, with as many of its parent folders
            as tell it from the others.
        cost: the unit in which cost is counted.
    """

    name: str
    runs: tuple[Experiment, ...]
    cost: Cost

    @property
    def goal(self) -> Goal:
        """The goal by which it is compared: the first of its space."""
        return self.runs[0].objective.first

    @property
    def folds(self) -> list[int]:
        """The folds of the data on which its runs were searched; empty where the data have none."""
        return sorted({fold for run in self.runs if (fold := find_fold(run)) is not None})

    @property
    def has_folds(self) -> bool:
        """Whether it has several folds, so that its interval is over them."""
        return len(self.folds) > 1

    @property
    def overlap(self) -> float:
        """The ratio of validated to trained images, by which intervals over folds are corrected."""
        return find_overlap(self.runs[0])

    @cached_property
    def trajectories(self) -> dict[int, list[pd.Series]]:
        """Best values so far by cost, by search seed or by fold; runs without a feasible result are left out."""
        groups: dict[int, list[pd.Series]] = {}
        for run in self.runs:
            values = trajectory(run, self.cost)
            key = find_fold(run) if self.has_folds else int(run.run["seed"])
            if not values.empty and key is not None:
                groups.setdefault(key, []).append(values)
        return groups

    @cached_property
    def min_cost(self) -> float:
        """The total cost of its cheapest run."""
        return min(total_cost(run, self.cost) for run in self.runs)

    def values(self, cost: float) -> dict[int, float]:
        """Return the best value at a cost, by search seed, or by fold as the mean over its seeds.

        Those with a run that had none by then are left out.
        """
        values = {key: [value_at(values, cost) for values in group] for key, group in self.trajectories.items()}
        return {
            key: float(np.mean([value for value in group if value is not None]))
            for key, group in values.items()
            if None not in group
        }

    def interval(self, cost: float) -> Interval | None:
        """Return the mean of the best values at a cost, with its interval; None without values."""
        values = self.values(cost)
        if not values or not self.has_folds:
            return student_interval(self.goal.metric, values)
        return fold_interval(values, self.overlap, metric_range(self.goal.metric, values.values()))

    @property
    def remarks(self) -> list[str]:
        """What its figures do not show, run by run: violations, how a default ended, which trials are not compared."""
        texts = [
            (run.name, text)
            for run in self.runs
            for text in (_describe_violation(run), run.default_note, describe_excluded(run.excluded))
        ]
        return [f"{name}: {text}" for name, text in texts if text]

    @property
    def proved_run(self) -> Experiment | None:
        """Its first run with a proof that has a winner."""
        return next((run for run in self.runs if run.proof is not None and run.proof["winner"] is not None), None)

    @property
    def winner_values(self) -> dict[int, float]:
        """The value that the winner of its proof reaches, by fresh seed; empty without a proof."""
        if self.proved_run is None or self.proved_run.proof is None:
            return {}
        proof = self.proved_run.proof
        winner = next(row for row in proof["candidates"] if row["trial"] == proof["winner"])
        return {int(seed): float(value) for seed, value in winner["values"].items()}


@dataclass(frozen=True)
class Pair:
    """Two arms compared: the gain of the first over the second, positive where it is better.

    Attributes:
        search_gain: of the best values at equal cost, over the search seeds or folds that both have; None below two.
        proof_gain: of the proofs' winners on the same fold, over the fresh seeds that both have; None below two.
    """

    first: Arm
    second: Arm
    search_gain: Gain | None
    proof_gain: Gain | None


def group_arms(runs: Sequence[Experiment], cost: Cost) -> list[Arm]:
    """Group runs into arms, in the order of their first runs."""
    groups: list[list[Experiment]] = []
    for run in runs:
        group = next((group for group in groups if search_settings(group[0]) == search_settings(run)), None)
        if group is None or _unit(run) in map(_unit, group):
            groups.append([run])
        else:
            group.append(run)
    return [Arm(name, tuple(group), cost) for name, group in zip(_name_groups(groups), groups, strict=True)]


def compare_arms(arms: Sequence[Arm], cost: float) -> list[Pair]:
    """Compare all pairs of arms at a cost."""
    pairs = []
    for first, second in itertools.combinations(arms, 2):
        pairs.append(Pair(first, second, _compare_searches(first, second, cost), _compare_proofs(first, second)))
    return pairs


def student_interval(metric: str, values: dict[int, float]) -> Interval | None:
    """Return Student's interval of a metric's mean; None without values."""
    bounds = metric_range(metric, values.values())
    return mean_interval(list(values.values()), bounds=bounds) if values else None


def _describe_violation(run: Experiment) -> str:
    """Say that no trial of a run keeps the constraints, so that it has no value to compare; empty where one does."""
    violations = [] if run.best is None else run.violations(run.best)
    return (
        f"no trial keeps the constraints; the best, #{run.best}, violates {' and '.join(violations)}"
        if violations
        else ""
    )


def _name_groups(groups: Sequence[Sequence[Experiment]]) -> list[str]:
    paths = [group[0].path for group in groups]
    names = [group[0].space.name for group in groups]
    names = [path.name if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]
    for depth in range(2, max((len(path.parts) for path in paths), default=0)):
        runs: dict[str, set[Path]] = {}
        for path, name in zip(paths, names, strict=True):
            runs.setdefault(name, set()).add(path)
        tails = ["/".join(path.parts[-depth:]) for path in paths]
        names = [tail if len(runs[name]) > 1 else name for tail, name in zip(tails, names, strict=True)]
    return names


def _unit(run: Experiment) -> tuple[int | None, Any]:
    """Return what tells the runs of an arm from each other: fold and seed."""
    return find_fold(run), run.run["seed"]


def _compare_searches(first: Arm, second: Arm, cost: float) -> Gain | None:
    """Compare two arms fold by fold, or seed by seed on the same data; None where neither can be paired."""
    values = first.values(cost), second.values(cost)
    if first.has_folds and second.has_folds:
        if len(set(values[0]) & set(values[1])) < 2:
            return None
        width = metric_range(first.goal.metric, [*values[0].values(), *values[1].values()]).width
        rows = [{fold: first.goal.sign * value for fold, value in row.items()} for row in values]
        return fold_gain(rows[0], rows[1], max(first.overlap, second.overlap), width)
    return _paired_gain(first.goal, *values) if first.folds == second.folds else None


def _compare_proofs(first: Arm, second: Arm) -> Gain | None:
    runs = first.proved_run, second.proved_run
    if runs[0] is None or runs[1] is None or find_fold(runs[0]) != find_fold(runs[1]):
        return None
    return _paired_gain(first.goal, first.winner_values, second.winner_values)


def _paired_gain(goal: Goal, first: dict[int, float], second: dict[int, float]) -> Gain | None:
    seeds = sorted(set(first) & set(second))
    if len(seeds) < 2:
        return None
    width = metric_range(goal.metric, [*first.values(), *second.values()]).width
    better, worse = ({seed: goal.sign * values[seed] for seed in seeds} for values in (first, second))
    return gain(better, worse, width=width)
