"""The objective of a study: which reported metric is better when larger or smaller, and under which constraints.

It holds no searched constant, so no trial can improve its score by shrinking a coefficient of its own loss.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Mode = Literal["max", "min"]
STAGE, COMPARED, COMPARED_END = "train/stage", "train/compared_stage", "train/compared_end"


@dataclass(frozen=True)
class Goal:
    """One metric, its direction, and how much of it may be had for what comes after it.

    Attributes:
        give_up: share of the best value, relative to its size, that may be given up for the goals that follow; 0 to 1.
    """

    metric: str
    mode: Mode = "max"
    give_up: float = 0.0

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

    @property
    def trades(self) -> bool:
        """Whether a goal gives something up for those after it: there is a rule that is more than the first goal."""
        return any(goal.give_up for goal in self.goals)

    @property
    def rule(self) -> str:
        """What `choose` does, in words that follow a trial's name; goals that could break ties alone are left out."""
        givers = list(itertools.takewhile(lambda goal: goal.give_up, self.goals[:-1]))
        last = self.goals[len(givers)]
        kept = [f"of those within {100 * goal.give_up:g}% of the best {goal.metric}" for goal in givers]
        return ", ".join([*kept, f"the one with the {'largest' if last.mode == 'max' else 'least'} {last.metric}"])

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

    def compared(self, reports: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """The report by which a training is compared with others: of several goals its last, else its best."""
        return next(reversed(reports), None) if self.several else self.best(reports)

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

    def choose(self, points: Sequence[Sequence[float]]) -> int | None:
        """The index of the one point (one value per goal) that stands for all; None where no point has every figure.

        Goal by goal, only points within `give_up` of the best value there go on to the next goal; of those that are
        left after the last one, the first. It is on the front. A best value of 0 has no size of which to give up.

        Source: Waltz 1967, An engineering approach: hierarchical optimization criteria (lexicographic with
        tolerances); it bounds the earlier goals as the ε-constraint method does, Haimes, Lasdon and Wismer 1971.
        """
        known = [index for index, point in enumerate(points) if np.isfinite(point).all()]
        left = [known[place] for place in self.front([points[index] for index in known])]
        for place, goal in enumerate(self.goals):
            values = {index: goal.sign * points[index][place] for index in left}
            best = max(values.values(), default=0.0)
            left = [index for index in left if values[index] >= best - goal.give_up * abs(best)]
        return next(iter(left), None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for YAML; `Objective.of` reads them back, also what was written before goals had `give_up`."""
        goals = [
            {"metric": goal.metric, "mode": goal.mode, **({"give_up": goal.give_up} if goal.give_up else {})}
            for goal in self.goals
        ]
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
