"""The folder that an export or a full training leaves: all that is needed to use a model, or to train it again.

config.yaml         variant, config, data, objective, seed: the input of `python -m trainables.train`
model.safetensors   the weights, `module.parameter` → tensor
metrics.json        the figures of the exported epoch, and where they come from
model_card.md       the same for people
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from trainables.export.card import write_card
from trainables.export.recipe import Recipe
from trainables.files import CONFIG, METRICS, REPORT, WEIGHTS, replace_text

CARD = "model_card.md"


def report_of(weights: Path) -> dict[str, Any]:
    """The report of the epoch that a training's best weights are from, as it stands in their header."""
    with safe_open(weights, framework="numpy") as file:
        report: dict[str, Any] = json.loads(file.metadata()[REPORT])
    return report


def write_export(
    folder: Path,
    recipe: Recipe,
    weights: Path,
    tested: Mapping[str, float],
    facts: Mapping[str, Any],
    origin: str,
    evidence: Mapping[str, str] | None = None,
) -> None:
    """Write the folder.

    Args:
        folder: made if it is not there.
        weights: the best weights of a training, to copy; their report is shown.
        tested: figures on the test split, `test/…`, where it has been looked at.
        facts: what the variant says of itself and its data (`Variant.describe`).
        origin: a sentence for the card: which run and trial, or which training.
        evidence: more sections for the card, title → Markdown: how well it is known that this model is good.
    """
    report = {**report_of(weights), **tested}
    folder.mkdir(parents=True, exist_ok=True)
    recipe.write(folder / CONFIG)
    if weights.resolve() != (folder / WEIGHTS).resolve():
        shutil.copyfile(weights, folder / WEIGHTS)
    metrics = {"origin": origin, "facts": dict(facts), "report": dict(report)}
    replace_text(folder / METRICS, json.dumps(metrics, indent=2))
    replace_text(folder / CARD, write_card(folder.resolve(), recipe, report, facts, origin, evidence or {}))
