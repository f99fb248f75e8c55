"""The folder that an export or a full training leaves: all that is needed to use a model, or to train it again.

config.yaml         variant, config, data, objective, seed: the input of `python -m trainables.train`
model.safetensors   the weights, `module.parameter` → tensor
metrics.json        metrics of the exported epoch, their origin, and facts about data and model
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


def read_report(weights: Path) -> dict[str, Any]:
    """Read the report of the epoch of a training's best weights, which their header holds."""
    with safe_open(weights, framework="numpy") as file:
        report: dict[str, Any] = json.loads(file.metadata()[REPORT])
    return report


def write_export(
    folder: Path,
    recipe: Recipe,
    weights: Path,
    test_metrics: Mapping[str, float],
    facts: Mapping[str, Any],
    origin: str,
    evidence: Mapping[str, str] | None = None,
) -> None:
    """Write an export.

    Args:
        folder: created if it does not exist.
        recipe: of the training.
        weights: the best weights of a training, which are copied; the card shows their report.
        test_metrics: metrics on the test split, `test/…`; empty where it has not been scored.
        facts: the variant's description of its data and model (`Variant.describe`).
        origin: a sentence for the card: which run and trial, or which training.
        evidence: more sections for the card, title → Markdown: the evidence that this model is good.
    """
    report = {**read_report(weights), **test_metrics}
    folder.mkdir(parents=True, exist_ok=True)
    recipe.write(folder / CONFIG)
    if weights.resolve() != (folder / WEIGHTS).resolve():
        shutil.copyfile(weights, folder / WEIGHTS)
    metrics = {"origin": origin, "facts": dict(facts), "report": dict(report)}
    replace_text(folder / METRICS, json.dumps(metrics, indent=2))
    replace_text(folder / CARD, write_card(folder.resolve(), recipe, report, facts, origin, evidence or {}))
