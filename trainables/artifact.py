"""The folder that an export or a full training leaves: all that is needed to use a model, or to train it again.

config.yaml         variant, config, data, objective, seed: the input of `python -m trainables.train`
model.safetensors   the weights, `module.parameter` → tensor
metrics.json        the figures of the exported epoch, and where they come from
model_card.md       the same for people
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from trainables.contract import DataConfig, TrainingConfig
from trainables.entry import Entry, load
from trainables.files import CONFIG, METRICS, REPORT, WEIGHTS, read_yaml, replace_text, write_yaml
from trainables.objective import STAGE, Objective
from trainables.settings import UsageError, plain

CARD = "model_card.md"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training.

    Attributes:
        config: the variant's Config, with every field; data: its Data.
    """

    entry: Entry
    config: TrainingConfig
    data: DataConfig
    objective: Objective
    seed: int

    def write(self, path: Path) -> None:
        """Save it as `config.yaml`."""
        values = {
            "variant": self.entry.name,
            "seed": self.seed,
            "config": self.config.as_dict(),
            "data": self.data.as_dict(),
            "objective": self.objective.as_dict(),
        }
        write_yaml(path, values)

    @classmethod
    def read(cls, path: Path, config: Mapping[str, Any], data: Mapping[str, Any], seed: int | None = None) -> Recipe:
        """Read it back, with some fields of config and data replaced.

        Raises:
            UsageError: no such file, or something in it or in the replacements that cannot be used.
        """
        if not path.is_file():
            raise UsageError(f"config={path} is no file; `python -m analysis.export` writes one.")
        values = read_yaml(path)
        if not {"variant", "config", "data", "objective"} <= set(values):
            raise UsageError(f"{path} is no exported config; it lacks variant, config, data or objective.")
        entry = load(values["variant"])
        return cls(
            entry,
            entry.Config.of({**values["config"], **config}, where="config."),
            entry.Data.of({**values["data"], **data}, where="data."),
            Objective.of(values["objective"]),
            int(values.get("seed", 0)) if seed is None else seed,
        )


def report_of(weights: Path) -> dict[str, Any]:
    """The report of the epoch that a training's best weights are from, as it stands in their header."""
    with safe_open(weights, framework="numpy") as file:
        report: dict[str, Any] = json.loads(file.metadata()[REPORT])
    return report


def write_artifact(
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
    replace_text(folder / CARD, _card(folder.resolve(), recipe, report, facts, origin, evidence or {}))


def _card(
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

from trainables.artifact import CONFIG, WEIGHTS, Recipe
from trainables.weights import load_weights

folder = Path({str(folder)!r})
recipe = Recipe.read(folder / CONFIG, {{}}, {{}})
variant = recipe.entry.build(recipe.config, recipe.data, seed=recipe.seed)
load_weights(folder / WEIGHTS, variant)
print(variant.evaluate("val"))
```"""
