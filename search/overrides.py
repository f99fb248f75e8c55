"""Overrides of a space's YAML by the command line."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from trainables.settings import UsageError, describe_unknown, describe_value

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


def merge_overrides(base: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the command line into a YAML: a distribution replaces the one before, a plain value fixes the field."""
    merged = copy.deepcopy(base)
    for key, value in overrides.items():
        if key not in KEYS:
            raise UsageError(describe_unknown(key, KEYS))
        if key == "variant":
            merged[key] = value
            continue
        if not isinstance(value, Mapping):
            raise UsageError(f"{key}={describe_value(value)} is not a part of a space; write {key}.NAME=VALUE.")
        if key == "objective" and isinstance(merged.get(key), list):
            merged[key] = {}  # one objective asked for on the command line replaces several
        part = dict(merged.get(key) or {})
        for name, item in value.items():
            part[name] = _override(part.get(name), item) if key == "params" else item
        merged[key] = part
    for name in set(overrides.get("fixed") or {}) & set(overrides.get("params") or {}):
        raise UsageError(f"{name} is both fixed and searched; keep fixed.{name} or params.{name}.")
    for key, opposite in (("fixed", "params"), ("params", "fixed")):  # the command line decides what a field is
        names = overrides.get(key) or {}
        merged[opposite] = {name: item for name, item in (merged.get(opposite) or {}).items() if name not in names}
    return merged


def _override(old: Any, new: Any) -> Any:
    """Override one parameter; only its conditions survive a change of distribution."""
    if isinstance(new, Mapping) and isinstance(old, Mapping) and set(new) <= {"when", "log"}:
        return {**old, **new}
    if isinstance(new, Mapping) and isinstance(old, Mapping) and "when" in old:
        return {"when": old["when"], **new}
    return new
