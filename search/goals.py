"""The objective of a space as its YAML says it: one or several metrics with their directions, and constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainables.objective import Goal, Objective
from trainables.settings import UsageError, unknown


def read_objective(name: str, source: Mapping[str, Any]) -> Objective:
    """`objective` and `constraints` of the space called `name`.

    Raises:
        UsageError: a part that cannot be used, named.
    """
    given = source.get("objective")
    parts: Sequence[Any] = given if isinstance(given, list) and given else [given]
    goals = []
    for part in parts:
        if not isinstance(part, Mapping) or "metric" not in part:
            raise UsageError(f"space {name} needs objective.metric, for example objective.metric=val/auroc_macro.")
        for key in part:
            if key not in ("metric", "mode"):
                raise UsageError(unknown(f"objective.{key}", ("objective.metric", "objective.mode")))
        mode = part.get("mode", "max")
        if mode not in ("max", "min"):
            raise UsageError(f"objective.mode={mode} is unknown; it takes max or min.")
        goals.append(Goal(str(part["metric"]), mode))
    constraints = {}
    for metric, bound in (source.get("constraints") or {}).items():
        if bound is None or bound == "none":
            continue
        if isinstance(bound, bool) or not isinstance(bound, int | float):
            raise UsageError(f"constraints.{metric}={bound} is not a number; give the largest value that is feasible.")
        constraints[str(metric)] = float(bound)
    return Objective(tuple(goals), constraints)
