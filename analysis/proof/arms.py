"""Runs to compare, as arms: repeats of one space are one arm, and arms are set side by side at equal cost."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.proof.statistics import Interval, gain, mean_interval
from trainables.objective import Goal

Cost = Literal["seconds", "epochs"]


@dataclass(frozen=True)
class Arm:
    """One space, searched once or with several seeds.

    Attributes:
        name: the space's, or the run's where two arms share that.
        cost: what is counted.
    """

    name: str
    runs: tuple[Experiment, ...]
    cost: Cost

    @property
    def goal(self) -> Goal:
        """What it is compared by: the first goal of its space."""
        return self.runs[0].objective.first

    @cached_property
    def courses(self) -> dict[int, pd.Series]:
        """Search seed → best value so far by the cost spent; runs without a feasible result are left out."""
        found = {int(run.run["seed"]): course(run, self.cost) for run in self.runs}
        return {seed: each for seed, each in found.items() if not each.empty}

    @cached_property
    def spent(self) -> float:
        """What the cheapest of its runs has spent in all."""
        return min(total_cost(run, self.cost) for run in self.runs)

    def values(self, cost: float) -> dict[int, float]:
        """Search seed → best value after so much cost; a run that had none yet is left out."""
        return {seed: value for seed, each in self.courses.items() if (value := value_at(each, cost)) is not None}

    @property
    def proof(self) -> dict[str, Any] | None:
        """The proof of its first run that has a winner."""
        proofs = (run.proof for run in self.runs)
        return next((each for each in proofs if each is not None and each["winner"] is not None), None)

    @property
    def proved(self) -> dict[int, float]:
        """Fresh seed → what its proof's winner reaches with it; empty without a proof."""
        proof = self.proof
        if proof is None:
            return {}
        winner = next(each for each in proof["candidates"] if each["trial"] == proof["winner"])
        return {int(seed): float(value) for seed, value in winner["values"].items()}


@dataclass(frozen=True)
class Pair:
    """Two arms compared: the gain of the first over the second, positive where it is better.

    Attributes:
        search: of the best values at equal cost, over the search seeds that both have; None below two of them.
        proved: of the proofs' winners, over the fresh seeds that both have; None likewise.
    """

    first: Arm
    second: Arm
    search: Interval | None
    proved: Interval | None


def arms_of(runs: Sequence[Experiment], cost: Cost) -> list[Arm]:
    """The arms of some runs, in the order in which their first runs are given."""
    spaces: list[list[Experiment]] = []
    for run in runs:
        same = next((each for each in spaces if each[0].space.source == run.space.source), None)
        if same is None or run.run["seed"] in {each.run["seed"] for each in same}:
            spaces.append([run])
        else:
            same.append(run)
    names = [each[0].space.name for each in spaces]
    return [
        Arm(name if names.count(name) == 1 else each[0].name, tuple(each), cost)
        for name, each in zip(names, spaces, strict=True)
    ]


def pairs_of(arms: Sequence[Arm], cost: float) -> list[Pair]:
    """All pairs of arms, compared after so much cost."""
    return [
        Pair(
            one, other, _gain(one.goal, one.values(cost), other.values(cost)), _gain(one.goal, one.proved, other.proved)
        )
        for one, other in itertools.combinations(arms, 2)
    ]


def course(run: Experiment, cost: Cost) -> pd.Series:
    """The best value so far, indexed by the cost spent until then, over all trials in the order of their reports.

    Values of failed trials, and of reports that violate a constraint, do not count; their cost does.
    """
    if run.reports.empty:
        return pd.Series(dtype=float)
    reports = run.reports.assign(spent=_spent(run.reports, cost))
    began = reports["trial"].map(run.trials["started"].astype(float)).to_numpy()
    order = np.argsort(began + reports["time/total_s"].to_numpy(), kind="stable")
    reports = reports.iloc[order]
    failed = reports["trial"].map(run.trials["status"].eq("failed"))
    valid = (reports["objective/violation"] <= 0) & ~failed.astype(bool)
    values = reports["objective/value"].where(valid)
    best = values.cummax() if run.objective.first.mode == "max" else values.cummin()
    so_far = pd.Series(best.ffill().to_numpy(), index=reports["spent"].cumsum().to_numpy()).dropna()
    return so_far[so_far != so_far.shift()]


def total_cost(run: Experiment, cost: Cost) -> float:
    """What a run has spent on training in all."""
    return float(_spent(run.reports, cost).sum()) if len(run.reports) else 0.0


def value_at(of: pd.Series, cost: float) -> float | None:
    """A course's value after so much cost; None before its first."""
    place = int(np.searchsorted(of.index.to_numpy(), cost * (1 + 1e-9), side="right")) - 1
    return float(of.iloc[place]) if place >= 0 else None


def interval(values: dict[int, float]) -> Interval | None:
    """Student's interval of the mean; None of nothing."""
    return mean_interval(list(values.values())) if values else None


def _gain(goal: Goal, one: dict[int, float], other: dict[int, float]) -> Interval | None:
    shared = sorted(set(one) & set(other))
    if len(shared) < 2:
        return None
    return gain({seed: goal.sign * one[seed] for seed in shared}, {seed: goal.sign * other[seed] for seed in shared})


def _spent(reports: pd.DataFrame, cost: Cost) -> pd.Series:
    """What each report cost since the one before of its trial."""
    if cost == "epochs":
        return pd.Series(1.0, index=reports.index)
    return reports.groupby("trial")["time/total_s"].diff().fillna(reports["time/total_s"])
