"""The objective of a space as its YAML says it: one or several metrics with their directions, and constraints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trainables.objective import Goal, Objective
from trainables.settings import LARGEST_SEED, UsageError, describe_unknown, describe_value

KEYS = ("metric", "mode", "give_up")
LONGEST_METRIC = 255


def read_objective(name: str, source: Mapping[str, Any]) -> Objective:
    """Read `objective` and `constraints` of the space called `name`.

    Raises:
        UsageError: a part that cannot be used, named.
    """
    value = source.get("objective")
    parts: Sequence[Any] = value if isinstance(value, list) and value else [value]
    goals = [_goal(name, part) for part in parts]
    if goals[-1].give_up:
        raise UsageError(
            f"objective.give_up={goals[-1].give_up:g} of {goals[-1].metric} has no goal after it to be given up for; "
            "leave it out, or list another goal below."
        )
    constraints = {}
    for metric, bound in (source.get("constraints") or {}).items():
        if bound is None or bound == "none":
            continue
        constraints[_metric(f"constraints.{describe_value(metric)}", metric)] = _bound(metric, bound)
    return Objective(tuple(goals), constraints)


def _goal(name: str, part: Any) -> Goal:
    """Read one goal of the space called `name`."""
    if not isinstance(part, Mapping) or "metric" not in part:
        raise UsageError(f"space {name} needs objective.metric, for example objective.metric=val/auroc_macro.")
    for key in part:
        if key not in KEYS:
            raise UsageError(describe_unknown(f"objective.{key}", [f"objective.{options}" for options in KEYS]))
    metric = _metric("objective.metric", part["metric"])
    mode, give_up = part.get("mode", "max"), part.get("give_up", 0.0)
    if mode not in ("max", "min"):
        raise UsageError(f"objective.mode={describe_value(mode)} is unknown; it takes max or min.")
    if isinstance(give_up, bool) or not isinstance(give_up, int | float) or not 0 <= give_up < 1:
        raise UsageError(
            f"objective.give_up={describe_value(give_up)} is no share from 0 to below 1; for 2 % of the best give 0.02."
        )
    return Goal(metric, mode, float(give_up))


def _metric(key: str, metric: Any) -> str:
    """Check the name of a metric, which `key` gives."""
    if not isinstance(metric, str) or not metric or len(metric) > LONGEST_METRIC:
        raise UsageError(f"{key}={describe_value(metric)} is no name of a metric; give a key of the reports, val/….")
    return metric


def _bound(metric: Any, bound: Any) -> float:
    is_number = isinstance(bound, int | float) and not isinstance(bound, bool)
    if not is_number or not (math.isfinite(bound) if isinstance(bound, float) else abs(bound) <= LARGEST_SEED):
        raise UsageError(
            f"constraints.{describe_value(metric)}={describe_value(bound)} is not a number; "
            "give the largest value that is feasible."
        )
    return float(bound)
