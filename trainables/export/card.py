"""The model card: what a model is, how well it is known that it is good, and how to use it, for people."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.contract import TrainingConfig
from trainables.export.recipe import Recipe
from trainables.files import CONFIG
from trainables.objective import STAGE
from trainables.settings import plain


def write_card(
    folder: Path,
    recipe: Recipe,
    report: Mapping[str, Any],
    facts: Mapping[str, Any],
    origin: str,
    evidence: Mapping[str, str],
) -> str:
    """The card; its commands and snippets name the folder, which is absolute, and so run from anywhere."""
    training = ["python", "-m", "trainables.train", f"config={folder / CONFIG}", f"epochs={recipe.config.epochs}"]
    own = recipe.entry.card_sections(str(folder), recipe.config, recipe.data, facts)
    sections = {
        **evidence,
        "Figures of these weights": _figures(recipe, report),
        "Health": "\n".join(f"- {each['check']}: {each['message']}" for each in report.get("findings", [])) or "Fine.",
        "Settings that differ from the default": _changed(recipe.config),
        "Data and model": _facts(recipe, facts),
        "Use it": _snippet(folder),
        "Train it in full": f"    {shlex.join(training)}",
        **own,
    }
    text = "".join(f"## {title}\n\n{body}\n\n" for title, body in sections.items())
    return f"# {recipe.entry.name}: {recipe.entry.title}\n\n{origin}\n\n{text.rstrip()}\n"


def _figures(recipe: Recipe, report: Mapping[str, Any]) -> str:
    rows = [
        f"| {key} | {value:.4g} |"
        for key, value in sorted(report.items())
        if key.startswith(("val/", "test/", "health/")) and isinstance(value, int | float)
    ]
    among = "the best of its last stage" if report.get(STAGE) else "best"
    best = f"Weights of epoch {report['epoch']} of {recipe.config.epochs}, {among} by {recipe.objective.first.metric}. "
    note = "Validation chose that epoch (and trial, or seed), so its figures are optimistic."
    return "\n".join([best + note, "", "| figure | value |", "|---|---|", *rows])


def _changed(config: TrainingConfig) -> str:
    default = type(config)()
    rows = [
        f"| {name} | {plain(getattr(default, name))} | {plain(value)} |"
        for name, value in config.as_dict().items()
        if value != getattr(default, name)
    ]
    return "\n".join(["| setting | default | here |", "|---|---|---|", *rows]) if rows else "None."


def _facts(recipe: Recipe, facts: Mapping[str, Any]) -> str:
    root = f", {recipe.data.root}" if recipe.data.root else ""
    said = []
    for name, value in facts.items():
        inner = value if isinstance(value, Mapping) and any(isinstance(v, Mapping) for v in value.values()) else {}
        said += [f"- {name}:" if inner else f"- {name}: {_fact(value)}"]
        said += [f"    - {key}: {_fact(each)}" for key, each in inner.items()]
    return "\n".join([f"Source: {recipe.data.source}{root}. Seed {recipe.seed}.", "", *said])


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_fact(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_fact, value))
    return plain(value)


def _snippet(folder: Path) -> str:
    """Python that works for every variant: the model on the data that it was validated on."""
    return f"""```python
from pathlib import Path

from trainables.export.recipe import Recipe
from trainables.files import CONFIG, WEIGHTS
from trainables.training.weights import load_weights

folder = Path({str(folder)!r})
recipe = Recipe.read(folder / CONFIG, {{}}, {{}})
variant = recipe.entry.build(recipe.config, recipe.data, seed=recipe.seed)
load_weights(folder / WEIGHTS, variant)
print(variant.evaluate("val"))
```"""
