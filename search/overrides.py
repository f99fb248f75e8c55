"""A space's YAML with the command line over it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from trainables.settings import UsageError, unknown

MAPPINGS = ("constraints", "budget", "data", "fixed", "params", "scheduler", "searcher")
KEYS = (
    "variant",
    "objective",
    "constraints",
    "budget",
    "data",
    "fixed",
    "params",
    "scheduler",
    "searcher",
)


def merged_with(base: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The YAML with the command line over it: a new distribution replaces the old one, a plain value fixes."""
    merged = copy.deepcopy(base)
    for key, value in overrides.items():
        if key not in KEYS:
            raise UsageError(unknown(key, KEYS))
        if key == "variant":
            merged[key] = value
            continue
        if not isinstance(value, Mapping):
            raise UsageError(f"{key}={value} is not a part of a space; write {key}.NAME=VALUE.")
        if key == "objective" and isinstance(merged.get(key), list):
            merged[key] = {}  # one objective asked for on the command line replaces several
        part = dict(merged.get(key) or {})
        for name, each in value.items():
            part[name] = _override(part.get(name), each) if key == "params" else each
        merged[key] = part
    for name in set(overrides.get("fixed") or {}) & set(overrides.get("params") or {}):
        raise UsageError(f"{name} is both fixed and searched; keep fixed.{name} or params.{name}.")
    for here, there in (("fixed", "params"), ("params", "fixed")):  # the command line decides what a field is
        said = overrides.get(here) or {}
        merged[there] = {name: each for name, each in (merged.get(there) or {}).items() if name not in said}
    return merged


def _override(old: Any, new: Any) -> Any:
    """One parameter's new value; only its conditions outlive a change of distribution."""
    if isinstance(new, Mapping) and isinstance(old, Mapping) and set(new) <= {"when", "log"}:
        return {**old, **new}
    if isinstance(new, Mapping) and isinstance(old, Mapping) and "when" in old:
        return {"when": old["when"], **new}
    return new
