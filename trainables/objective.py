"""The objective of a run: which reported metric is better when larger or smaller, and under which constraints.

It holds no searched constant, so no trial can improve its score by shrinking a coefficient of its own loss.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

import numpy as np

Mode = Literal["max", "min"]
VALUE, VIOLATION, FEASIBLE = "objective/value", "objective/violation", "objective/feasible"
STAGE, COMPARABLE_STAGE, COMPARABLE_END = "train/stage", "train/compared_stage", "train/compared_end"
STAGE_NAME, STAGES_LEFT = "stage", "train/stages_left"


class MissingMetricError(LookupError):
    """A report lacks a metric of the objective; the message names it, and lists what there is."""


@dataclass(frozen=True)
class Goal:
    """One metric and its direction, and how much of it may be given up for the goals after it.

    Attributes:
        give_up: share of the best value, relative to its size, that may be given up for the goals after it; 0 to 1.
    """

    metric: str
    mode: Mode = "max"
    give_up: float = 0.0

    @property
    def sign(self) -> int:
        """The factor that makes a larger value the better one."""
        return 1 if self.mode == "max" else -1

    def is_better(self, value: float, than: float) -> bool:
        """Return whether `value` beats `than`; NaN beats nothing."""
        return value > than if self.mode == "max" else value < than


@dataclass(frozen=True)
class Objective:
    """One or several goals, and upper bounds on reported metrics.

    Attributes:
        goals: early stopping and the best weights go by the first one.
        constraints: metric → bound; feasible when the metric is at most the bound.
    """

    goals: tuple[Goal, ...]
    constraints: Mapping[str, float] = field(default_factory=dict)

    @property
    def first(self) -> Goal:
        """The goal that ranks trials where one number is needed."""
        return self.goals[0]

    @property
    def metrics(self) -> list[str]:
        """The metrics of all goals and constraints, without repetition."""
        return [*dict.fromkeys([*(goal.metric for goal in self.goals), *self.constraints])]

    @property
    def is_multi(self) -> bool:
        """Whether there are several goals, so that the answer is a Pareto front."""
        return len(self.goals) > 1

    @property
    def has_tolerance(self) -> bool:
        """Whether a goal gives something up for those after it, so that the rule is more than the first goal."""
        return any(goal.give_up for goal in self.goals)

    @property
    def rule(self) -> str:
        """The rule of `choose` in words that follow a trial's name, without goals that could only break ties."""
        givers = list(itertools.takewhile(lambda goal: goal.give_up, self.goals[:-1]))
        last = self.goals[len(givers)]
        tolerances = [f"of those within {100 * goal.give_up:g}% of the best {goal.metric}" for goal in givers]
        extreme = "largest" if last.mode == "max" else "least"
        return ", ".join([*tolerances, f"the one with the {extreme} {last.metric}"])

    def score(self, report: Mapping[str, Any]) -> dict[str, float]:
        """Return the objective's part of a report.

        Returns:
            `objective/value`, the first goal's metric; `objective/violation`, the sum of the excesses over the
            constraints' bounds, as shares of the bounds; `objective/feasible`, 1 where that is 0, else 0.

        Raises:
            MissingMetricError: the report lacks the metric of a goal or constraint.
        """
        violation = sum(excess for excess in self.violations(report) if not excess <= 0)  # NaN violates a constraint
        value = self._metric(report, self.first.metric)
        return {VALUE: value, VIOLATION: violation, FEASIBLE: float(violation == 0)}

    def check_evaluation(self, values: Mapping[str, Any]) -> None:
        """Check that an evaluation has the objective's metrics of validation, `val/…`; others come with training.

        Raises:
            MissingMetricError: it lacks one.
        """
        for metric in self.metrics:
            if metric.startswith("val/"):
                self._metric(values, metric)

    def rank(self, report: Mapping[str, Any]) -> tuple[float, float]:
        """Return a key under which larger is better: the least violation first, then the value."""
        violation = float(report[VIOLATION])
        return -math.inf if math.isnan(violation) else -violation, self.first.sign * float(report[VALUE])

    def standing_report(self, reports: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Return the report that stands for a training: the one whose weights are kept, and by which it is compared.

        With one goal it is the best epoch of the last stage, with several the last epoch: an epoch that one goal chose
        would show the others at random. None without a report that can be compared.
        """
        if not self.is_multi:
            return self.best_report(reports)
        last = reports[-1] if reports else {}
        complete = all(is_number(last.get(goal.metric)) for goal in self.goals)
        return last if complete and _can_be_compared(last) else None

    def best_report(self, reports: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Return the best epoch of the last stage by the first goal, the earliest among equals; None without one."""
        last_stage = max((_stage(report) for report in reports), default=0.0)
        best: Mapping[str, Any] | None = None
        for report in reports:
            if _stage(report) == last_stage and _can_be_compared(report) and self.improves(report, best):
                best = report
        return best

    def improves(self, report: Mapping[str, Any], best: Mapping[str, Any] | None) -> bool:
        """Return whether a report of a training counts in place of the best one before.

        That of a later stage always does: what a stage made worse must not hide behind the stage before.
        """
        if best is None or _stage(report) > _stage(best):
            return True
        return self.rank(report) > self.rank(best)

    def describe_violations(self, report: Mapping[str, Any]) -> list[str]:
        """Describe the constraints that a report violates, with metric and bound: `health/coverage_error 0.08 > 0.03`.

        Args:
            report: with the metrics of the constraints; one that is missing counts as violated.
        """
        phrases = []
        for metric, bound in self.constraints.items():
            value = report.get(metric)
            if not is_number(value):
                phrases.append(f"{metric} is no number (bound {bound:g})")
            elif value > bound:
                phrases.append(f"{metric} {_format_above(value, bound)} > {bound:g}")
        return phrases

    def violations(self, report: Mapping[str, Any]) -> list[float]:
        """Return the excess over each constraint's bound, as a share of the bound (≤ 0: satisfied)."""
        return [
            (self._metric(report, metric) - bound) / max(abs(bound), 1e-12)
            for metric, bound in self.constraints.items()
        ]

    def values(self, report: Mapping[str, Any]) -> list[float]:
        """Return every goal's metric, without a penalty, in the order of the goals."""
        return [self._metric(report, goal.metric) for goal in self.goals]

    def front(self, points: Sequence[Sequence[float]]) -> list[int]:
        """Return the indices of the points (one value per goal) that no other point dominates, in their order."""
        if not len(points):
            return []
        signed = np.array(points, dtype=float) * [goal.sign for goal in self.goals]
        # Sorted with the best in the first goal ahead (lexsort's last key counts most), no point is dominated by a
        # later, different one. So the first candidate is on the front, and drops all that it dominates at once: the
        # cost is front size × points instead of points².
        candidates = np.lexsort(-signed.T[::-1])
        front: list[int] = []
        while len(candidates):
            first, rivals = candidates[0], signed[candidates]
            front.append(int(first))
            dominated = (rivals <= signed[first]).all(axis=1) & (rivals != signed[first]).any(axis=1)
            candidates = candidates[~dominated & (candidates != first)]
        return sorted(front)

    def choose(self, points: Sequence[Sequence[float]]) -> int | None:
        """Choose one point (one value per goal) of all; returns its index, None where no point has every metric.

        Goal by goal, only points within `give_up` of the best value there remain for the next goal; of those that
        remain after the last one, the first is chosen. It is on the front. A best value of 0 has no size of which a
        share could be given up.

        Source: Waltz 1967, An engineering approach: hierarchical optimization criteria (lexicographic with
        tolerances); it bounds the earlier goals as the ε-constraint method does, Haimes, Lasdon and Wismer 1971.
        """
        finite = [index for index, point in enumerate(points) if np.isfinite(point).all()]
        candidates = [finite[row] for row in self.front([points[index] for index in finite])]
        for column, goal in enumerate(self.goals):
            values = {index: goal.sign * points[index][column] for index in candidates}
            best = max(values.values(), default=0.0)
            candidates = [index for index in candidates if values[index] >= best - goal.give_up * abs(best)]
        return next(iter(candidates), None)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for YAML; `Objective.from_dict` reads them back."""
        goals = [
            {"metric": goal.metric, "mode": goal.mode, **({"give_up": goal.give_up} if goal.give_up else {})}
            for goal in self.goals
        ]
        return {"goals": goals, "constraints": dict(self.constraints)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Objective:
        """Read what `as_dict` wrote, also before goals had `give_up`."""
        goals: Sequence[Mapping[str, Any]] = values["goals"]
        return cls(tuple(Goal(**goal) for goal in goals), dict(values["constraints"]))

    @staticmethod
    def _metric(report: Mapping[str, Any], metric: str) -> float:
        if metric not in report:
            keys = ", ".join(sorted(key for key in report if key.startswith(("val/", "health/"))))
            raise MissingMetricError(f"the objective names {metric}, which no report has; there are {keys}")
        return float(report[metric])


def _stage(report: Mapping[str, Any]) -> float:
    """Return the index of a report's stage; 0 where none is reported, as before there were stages."""
    stage = report.get(STAGE)
    return float(stage) if is_number(stage) else 0.0


def _can_be_compared(report: Mapping[str, Any]) -> bool:
    """Return whether a report has a value, and whether it is feasible is known."""
    return is_number(report.get(VALUE)) and is_number(report.get(FEASIBLE))


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether a value of a report is a number, and not NaN."""
    return isinstance(value, int | float) and not math.isnan(value)


def _format_above(value: float, bound: float) -> str:
    """Format a value with as few digits as show that it is above its bound, four at least."""
    texts = (f"{value:.{digits}g}" for digits in (4, 6, 9))
    return next((text for text in texts if float(text) > bound), repr(value))
