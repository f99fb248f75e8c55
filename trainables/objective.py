"""The objective of a study: which reported metric is better when larger or smaller, and under which constraints.

It holds no searched constant, so no trial can improve its score by shrinking a coefficient of its own loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Mode = Literal["max", "min"]
STAGE, STAGE_END = "train/stage", "train/stage_end"


@dataclass(frozen=True)
class Goal:
    """One metric and its direction."""

    metric: str
    mode: Mode = "max"

    @property
    def sign(self) -> int:
        """By what a value is multiplied for larger to be better."""
        return 1 if self.mode == "max" else -1

    def better(self, value: float, than: float) -> bool:
        """Whether `value` beats `than`; NaN beats nothing."""
        return value > than if self.mode == "max" else value < than


@dataclass(frozen=True)
class Objective:
    """One or several goals, and upper bounds on reported metrics.

    Attributes:
        goals: the first one is what early stopping and the best checkpoint look at.
        constraints: metric → bound; feasible when the metric is at most the bound.
    """

    goals: tuple[Goal, ...]
    constraints: Mapping[str, float] = field(default_factory=dict)

    @property
    def first(self) -> Goal:
        """The goal that ranks trials where one number is needed."""
        return self.goals[0]

    @property
    def several(self) -> bool:
        """Whether the answer is a Pareto front."""
        return len(self.goals) > 1

    def score(self, report: Mapping[str, Any]) -> dict[str, float]:
        """The objective's part of a report.

        Returns:
            `objective/value`, the first goal's metric; `objective/violation`, by how much the constraints are exceeded
            in all, as shares of their bounds; `objective/feasible`, 1 where that is 0, else 0.

        Raises:
            KeyError: the report lacks the metric of a goal or constraint; the message lists what it has.
        """
        violation = sum(each for each in self.violations(report) if not each <= 0)  # NaN is no kept constraint
        value = self._of(report, self.first.metric)
        return {"objective/value": value, "objective/violation": violation, "objective/feasible": float(violation == 0)}

    def rank(self, report: Mapping[str, Any]) -> tuple[float, float]:
        """A key under which larger is better: the least violation first, then the value."""
        value = float(report["objective/value"])
        return -float(report["objective/violation"]), self.first.sign * value

    def best(self, reports: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """The report of a training that counts, of all in their order, the earliest among equals; None of none."""
        best: Mapping[str, Any] | None = None
        for report in reports:
            if self.improves(report, best):
                best = report
        return best

    def improves(self, report: Mapping[str, Any], best: Mapping[str, Any] | None) -> bool:
        """Whether a report of a training counts in place of the best one before.

        That of a later stage always does: what a stage made worse must not hide behind the stage before.
        """
        if best is None or report.get(STAGE, 0) > best.get(STAGE, 0):
            return True
        return self.rank(report) > self.rank(best)

    def violations(self, report: Mapping[str, Any]) -> list[float]:
        """By how much each constraint is exceeded, as a share of its bound (≤ 0: kept)."""
        return [
            (self._of(report, metric) - bound) / max(abs(bound), 1e-12) for metric, bound in self.constraints.items()
        ]

    def values(self, report: Mapping[str, Any]) -> list[float]:
        """Every goal's metric, unpenalised, in the order of the goals."""
        return [self._of(report, goal.metric) for goal in self.goals]

    def front(self, points: Sequence[Sequence[float]]) -> list[int]:
        """The indices of the points (one value per goal) that no other point dominates, in their order."""
        if not len(points):
            return []
        signed = np.array(points, dtype=float) * [goal.sign for goal in self.goals]
        left = np.lexsort(-signed.T[::-1])  # best in the first goal first: none is dominated by a later, different one
        kept: list[int] = []
        while len(left):
            first, others = left[0], signed[left]
            kept.append(int(first))
            worse = (others <= signed[first]).all(axis=1) & (others != signed[first]).any(axis=1)
            left = left[~worse & (left != first)]
        return sorted(kept)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for YAML; `Objective.of` reads them back."""
        goals = [{"metric": goal.metric, "mode": goal.mode} for goal in self.goals]
        return {"goals": goals, "constraints": dict(self.constraints)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Objective:
        """The objective that `as_dict` wrote."""
        goals: Sequence[Mapping[str, Any]] = values["goals"]
        return cls(tuple(Goal(**goal) for goal in goals), dict(values["constraints"]))

    @staticmethod
    def _of(report: Mapping[str, Any], metric: str) -> float:
        if metric not in report:
            known = ", ".join(sorted(key for key in report if key.startswith(("val/", "health/"))))
            raise KeyError(f"the objective names '{metric}', which the variant does not report; it reports {known}")
        return float(report[metric])
