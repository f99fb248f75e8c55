"""The model card: what a model is, what its metrics are and how they are known, and how to use it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.adequacy.assessment import ADEQUACY, Adequacy
from trainables.base_config import TrainingConfig
from trainables.baselines import FACT, Baselines
from trainables.export.recipe import Recipe
from trainables.files import CONFIG
from trainables.objective import STAGE, STAGES_LEFT
from trainables.settings import format_value
from trainables.standing import stage_name


def write_card(
    folder: Path,
    recipe: Recipe,
    report: Mapping[str, Any],
    facts: Mapping[str, Any],
    origin: str,
    evidence: Mapping[str, str],
) -> str:
    """Write the card; its commands and snippets name the folder by its absolute path, and so run from anywhere."""
    training = ["python", "-m", "trainables.train", f"config={folder / CONFIG}", f"epochs={recipe.config.epochs}"]
    variant_sections = recipe.entry.card_sections(str(folder), recipe.config, recipe.data, facts)
    sections = {
        **evidence,
        "Metrics of these weights": _metrics(recipe, report, Baselines.from_facts(facts)),
        "Health": _health(recipe, report),
        "Settings that differ from the default": _differences(recipe.config),
        "Data and model": _facts(recipe, facts),
        **_adequacy(facts),
        "Evaluate it on its data": _snippet(folder),
        "Train it in full": f"    {shlex.join(training)}",
        **variant_sections,
    }
    text = "".join(f"## {title}\n\n{body}\n\n" for title, body in sections.items())
    return f"# {recipe.entry.name}: {recipe.entry.title}\n\n{origin}\n\n{text.rstrip()}\n"


def _metrics(recipe: Recipe, report: Mapping[str, Any], baselines: Baselines) -> str:
    """Tabulate the metrics, each beside what chance and trivial methods reach, and say which of them are not beaten."""
    names = list(baselines.rows)
    rows = [
        f"| {' | '.join([key, f'{value:.4g}', *(_level(baselines, name, key) for name in names)])} |"
        for key, value in sorted(report.items())
        if key.startswith(("val/", "test/", "health/")) and isinstance(value, int | float)
    ]
    stage = f" of stage {stage_name(report)}" if report.get(STAGES_LEFT) else " of its last stage"
    stage = stage if report.get(STAGE) or report.get(STAGES_LEFT) else ""
    choice, chosen_by = (
        f"{'the ' if stage else ''}best{stage} by {recipe.objective.first.metric}",
        "epoch (and trial, or seed)",
    )
    if recipe.objective.is_multi:
        choice, chosen_by = f"the last{stage}, as there are several goals", "trial or seed"
    origin = f"Weights of epoch {report['epoch']} of {recipe.config.epochs}, {choice}. "
    note = f"Validation chose that {chosen_by}, so its metrics are optimistic."
    head = [f"| {' | '.join(['metric', 'these weights', *names])} |", "|---" * (2 + len(names)) + "|"]
    unbeaten = baselines.unbeaten(recipe.objective, report)
    warning = [f"These weights are **not better than {' or '.join(unbeaten)}**.", ""] if unbeaten else []
    return "\n".join([origin + note, "", *warning, *head, *rows])


def _level(baselines: Baselines, name: str, metric: str) -> str:
    """Format a metric of a baseline; that of test is not known, as baselines are computed on validation."""
    return f"{baselines.rows[name][metric]:.4g}" if metric in baselines.rows[name] else ""


def _health(recipe: Recipe, report: Mapping[str, Any]) -> str:
    """List the health findings and the violated constraints."""
    lines = [f"- {finding['check']}: {finding['message']}" for finding in report.get("findings", [])]
    lines += [f"- violates a constraint: {violation}" for violation in recipe.objective.describe_violations(report)]
    return "\n".join(lines) or "Fine."


def _differences(config: TrainingConfig) -> str:
    default = type(config)()
    rows = [
        f"| {name} | {format_value(getattr(default, name))} | {format_value(value)} |"
        for name, value in config.as_dict().items()
        if value != getattr(default, name)
    ]
    return "\n".join(["| setting | default | here |", "|---|---|---|", *rows]) if rows else "None."


def _facts(recipe: Recipe, facts: Mapping[str, Any]) -> str:
    root = f", {recipe.data.root}" if recipe.data.root else ""
    lines = []
    for name, value in facts.items():
        if name in (ADEQUACY, FACT):
            continue  # have places of their own
        inner = value if isinstance(value, Mapping) and any(isinstance(v, Mapping) for v in value.values()) else {}
        lines += [f"- {name}:" if inner else f"- {name}: {_fact(value)}"]
        lines += [f"    - {key}: {_fact(fact)}" for key, fact in inner.items()]
    return "\n".join([f"Source: {recipe.data.source}{root}. Seed {recipe.seed}.", "", *lines])


def _adequacy(facts: Mapping[str, Any]) -> dict[str, str]:
    """Write what the splits hold, and which figures rest on too little; nothing where that is not recorded."""
    if ADEQUACY not in facts:
        return {}
    adequacy = Adequacy.from_dict(facts[ADEQUACY])
    lines = [f"- {split}: {line}" for split, line in adequacy.lines.items()]
    findings = [f"- {item.verdict}: {item.message}" for item in adequacy.findings]
    return {"Can the splits judge?": "\n".join([*lines, "", *(findings or ["No figure rests on too little."])])}


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_fact(fact)}" for key, fact in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_fact, value))
    return format_value(value)


def _snippet(folder: Path) -> str:
    """Write Python that works for every variant: the model on the data that it was validated on."""
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
