"""The objective of a space as its YAML says it: one or several metrics with their directions, and constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainables.objective import Goal, Objective
from trainables.settings import UsageError, describe_unknown

KEYS = ("metric", "mode", "give_up")


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
        if isinstance(bound, bool) or not isinstance(bound, int | float):
            raise UsageError(f"constraints.{metric}={bound} is not a number; give the largest value that is feasible.")
        constraints[str(metric)] = float(bound)
    return Objective(tuple(goals), constraints)


def _goal(name: str, part: Any) -> Goal:
    """Read one goal of the space called `name`."""
    if not isinstance(part, Mapping) or "metric" not in part:
        raise UsageError(f"space {name} needs objective.metric, for example objective.metric=val/auroc_macro.")
    for key in part:
        if key not in KEYS:
            raise UsageError(describe_unknown(f"objective.{key}", [f"objective.{accepted}" for accepted in KEYS]))
    mode, give_up = part.get("mode", "max"), part.get("give_up", 0.0)
    if mode not in ("max", "min"):
        raise UsageError(f"objective.mode={mode} is unknown; it takes max or min.")
    if isinstance(give_up, bool) or not isinstance(give_up, int | float) or not 0 <= give_up < 1:
        raise UsageError(f"objective.give_up={give_up} is no share from 0 to below 1; for 2 % of the best give 0.02.")
    return Goal(str(part["metric"]), mode, float(give_up))
