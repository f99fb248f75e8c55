"""The folder of a go/no-go: its plan, its ledger of looks at the test split, and its record and page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from trainables.entropy_reg.go_no_go.criteria import RESAMPLES
from trainables.entropy_reg.go_no_go.page import render
from trainables.entropy_reg.go_no_go.plan import Plan
from trainables.entropy_reg.go_no_go.verdict import Evidence, Thresholds, Verdict
from trainables.files import append_line, read_lines, read_yaml, replace_text
from trainables.settings import Settings, UsageError

PAGE, RECORD, MAPS, PLAN, LOOKS, TRAININGS = (
    "go_no_go.html", "go_no_go.json", "bias_maps.npz", "go_no_go.yaml", "looks.json", "trainings",
)  # fmt: skip


def check_folder(folder: Path, plan: Plan, *, repeat: bool) -> None:
    """See that a folder holds nothing, or the same plan without a verdict.

    Raises:
        UsageError: it holds another plan; or a verdict, and `repeat` is not set.
    """
    if (folder / PLAN).exists() and read_yaml(folder / PLAN) != plan.as_dict():
        raise UsageError(f"{folder} holds a judgement with other settings; write elsewhere with to=FOLDER.")
    if (folder / RECORD).exists() and not repeat:
        raise UsageError(f"{folder / PAGE} has the verdict; again=true looks at the test split once more.")


def enter_look(folder: Path) -> None:
    """Enter a look at the test split; call it before the look."""
    append_line(folder / LOOKS, {"time": datetime.now(UTC).isoformat(timespec="seconds")})


def write_verdict(folder: Path, plan: Plan, verdict: Verdict, evidence: Evidence, command: str) -> None:
    """Write maps, page and record, in this order, because the record says that there is a verdict.

    Args:
        folder: of the go/no-go.
        plan: of the go/no-go.
        verdict: the decision.
        evidence: that it rests on.
        command: repeats the go/no-go.
    """
    record = {
        "go": verdict.go,
        "reason": verdict.reason,
        "criteria": [asdict(criterion) for criterion in verdict.criteria],
        "differences": {name: interval._asdict() for name, interval in verdict.differences.items()},
        "thresholds": asdict(Thresholds()),
        "bootstrap": {"resamples": RESAMPLES, "seed": 0},
        **plan.as_dict(),
        "changed": _changes(plan.config) | _changes(plan.recipe.data, "data."),
        "arms": {name: asdict(arm) for name, arm in evidence.arms.items()},
        "facts": evidence.facts,
        "looks": read_lines(folder / LOOKS),
        "command": command,
    }
    values = _plain(record)
    if evidence.maps:
        np.savez_compressed(folder / MAPS, **dict(evidence.maps))  # type: ignore[arg-type]
    replace_text(folder / PAGE, render(values, evidence.maps))
    replace_text(folder / RECORD, json.dumps(values, indent=1, allow_nan=False))


def _changes(settings: Settings, prefix: str = "") -> dict[str, list[Any]]:
    """Return default and value of the settings that differ from their default; the cache changes no result."""
    defaults = {field.name: field.default for field in fields(settings)}
    pairs = {f"{prefix}{name}": [defaults[name], value] for name, value in settings.as_dict().items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name != "data.cache"}


def _plain(value: Any) -> Any:
    """Convert to values of JSON: arrays to lists, and numbers that are not finite to None."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value
