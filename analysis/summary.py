"""A report for programs and for TensorBoard: `summary.json`, and the same in a page of markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.importance.estimates import Importances
from analysis.importance.interaction import Interaction
from analysis.page import ranking, tables
from analysis.questions.playbook import Answer, Headline


def summary(
    experiment: Experiment,
    headline: Headline,
    answers: list[Answer],
    found: Importances | None,
    together: Interaction | None,
) -> dict[str, Any]:
    """Everything that the page says in figures, as JSON has it: what is not finite is null."""
    importances = None
    if found is not None:
        known = {"rung": found.rung, "trials": found.trials, "explained": found.explained}
        importances = {**known, "settings": found.table.to_dict("index")}
    said: dict[str, Any] = {
        "run": experiment.name,
        "path": str(experiment.path),
        "variant": experiment.space.entry.name,
        "data": experiment.space.data.source,
        "objective": experiment.objective.as_dict(),
        "headline": asdict(headline),
        "answers": [asdict(answer) for answer in answers],
        "best": _trial(experiment, experiment.best),
        "default": _trial(experiment, experiment.default),
        "importances": importances,
        "interaction": None if together is None else {"names": list(together.names), "share": together.share},
        "top": ranking.top(experiment).reset_index(names="trial").to_dict("records"),
        "front": _front(experiment),
        "chosen": {"trial": experiment.chosen, "rule": experiment.objective.rule},
        "findings": tables.findings(experiment).reset_index(names="check").to_dict("records"),
        "failures": tables.failures(experiment).to_dict("records"),
        "problems": list(experiment.problems),
        "proof": experiment.proof,
    }
    return dict(as_json(said))


def as_json(value: Any) -> Any:
    """The same with plain values alone; numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [as_json(each) for each in value]
    if isinstance(value, np.generic):
        return as_json(value.item())
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def markdown(experiment: Experiment, headline: Headline, answers: list[Answer]) -> str:
    """Headline, questions with their verdicts, and the best trials, as TensorBoard's text shows them."""
    proved = experiment.proof["sentence"] if experiment.proof else ""
    lines = [f"# {_cell(experiment.name)}", *map(_cell, dict.fromkeys([proved, headline.search]))]
    asked = [f"- **{each.verdict}** · *{_cell(each.question)}* {_cell(each.sentence)}" for each in answers]
    lines.append("\n".join(asked))
    top = ranking.top_table(experiment)
    if top.rows:
        lines += ["## The best trials", _table(top.columns, list(top.rows))]
    return "\n\n".join(line for line in lines if line)


def verdicts(answers: list[Answer]) -> str:
    """How many answers have each verdict."""
    counts = pd.Series([answer.verdict for answer in answers], dtype=str).value_counts()
    order = [verdict for verdict in ("good", "careful", "bad", "unknown") if verdict in counts]
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in order) or "none"


def _front(experiment: Experiment) -> list[dict[str, Any]] | None:
    """The trials of the front; None of a single goal."""
    if not experiment.objective.several:
        return None
    rows = ranking.front(experiment).reset_index(names="trial").to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _trial(experiment: Experiment, trial: int | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    row = experiment.trials.loc[trial].to_dict()
    known = {name: row[name] for name in ("value", "best_epoch", "feasible", "status", "epochs", "seconds")}
    known |= {"feasible": bool(known["feasible"]), "best_epoch": int(known["best_epoch"])}
    return {"trial": trial, **known, "settings": _settings(experiment, trial)}


def _settings(experiment: Experiment, trial: int) -> dict[str, Any]:
    return {str(name): value for name, value in experiment.settings.loc[trial].dropna().items()}


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """Text that markdown leaves as it is: no tags, no new columns."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
