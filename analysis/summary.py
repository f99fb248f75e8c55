"""The result of a run for programs, `summary.json`, and for TensorBoard, as Markdown."""

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
from analysis.questions.baselines import has_baselines, read_baselines
from analysis.questions.data import read_splits
from analysis.questions.leaders import describe_exclusion
from analysis.questions.playbook import Answer, Headline


def summary(
    experiment: Experiment,
    headline: Headline,
    answers: list[Answer],
    importances: Importances | None,
    interaction: Interaction | None,
) -> dict[str, Any]:
    """Collect everything on the page that programs can use, as JSON values; what is not finite is null."""
    adequacy = read_splits(experiment.path)
    values: dict[str, Any] = {
        "run": experiment.name,
        "path": str(experiment.path),
        "variant": experiment.space.entry.name,
        "data": experiment.space.data.source,
        "objective": experiment.objective.as_dict(),
        "headline": headline.as_dict(),
        "answers": [asdict(answer) for answer in answers],
        "best": _describe_trial(experiment, experiment.best),
        "default": _describe_trial(experiment, experiment.default),
        "default_note": experiment.default_note,
        "stage": experiment.stage,
        "excluded": [
            {"trial": trial, "stage": stage, "note": describe_exclusion(experiment, trial)}
            for trial, stage in experiment.excluded.items()
        ],
        "importances": None if importances is None else _describe_importances(importances),
        "interaction": None if interaction is None else {"names": list(interaction.names), "share": interaction.share},
        "top": ranking.top_trials(experiment).reset_index(names="trial").to_dict("records"),
        "front": _list_front(experiment),
        "chosen": {"trial": experiment.choice, "rule": experiment.objective.rule},
        "findings": tables.group_findings(experiment).reset_index(names="check").to_dict("records"),
        "failures": tables.group_failures(experiment).to_dict("records"),
        "problems": list(experiment.problems),
        "splits": None if adequacy is None else adequacy.as_dict(),
        "baselines": read_baselines(experiment.path).as_dict() if has_baselines(experiment.path) else None,
        "proof": experiment.proof,
    }
    return dict(as_json(values))


def as_json(value: Any) -> Any:
    """Convert to plain values; numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [as_json(item) for item in value]
    if isinstance(value, np.generic):
        return as_json(value.item())
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def markdown(experiment: Experiment, headline: Headline, answers: list[Answer]) -> str:
    """Write headline, answers and the best trials as Markdown for TensorBoard."""
    proof_sentence = experiment.proof["sentence"] if experiment.proof else ""
    lines = [f"# {_escape(experiment.name)}", *map(_escape, dict.fromkeys([proof_sentence, headline.search]))]
    items = [f"- **{answer.verdict}** · *{_escape(answer.question)}* {_escape(answer.sentence)}" for answer in answers]
    lines.append("\n".join(items))
    top = ranking.top_table(experiment)
    if top.rows:
        lines += ["## The best trials", _table(top.columns, list(top.rows))]
    return "\n\n".join(line for line in lines if line)


def count_verdicts(answers: list[Answer]) -> str:
    """Count the answers by verdict, in a phrase."""
    counts = pd.Series([answer.verdict for answer in answers], dtype=str).value_counts()
    order = [verdict for verdict in ("good", "careful", "bad", "unknown") if verdict in counts]
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in order) or "none"


def _describe_importances(importances: Importances) -> dict[str, Any]:
    return {
        "rung": importances.rung,
        "trials": importances.trials,
        "explained": importances.explained_variance,
        "settings": importances.table.to_dict("index"),
    }


def _list_front(experiment: Experiment) -> list[dict[str, Any]] | None:
    """List the trials of the front; None with a single goal."""
    if not experiment.objective.is_multi:
        return None
    rows = ranking.front_trials(experiment).reset_index(names="trial").to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _describe_trial(experiment: Experiment, trial: int | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    row = experiment.trials.loc[trial].to_dict()
    values = {name: row[name] for name in ("value", "best_epoch", "feasible", "status", "epochs", "seconds")}
    values |= {"feasible": bool(values["feasible"]), "best_epoch": int(values["best_epoch"])}
    values |= {"stage": row["stage"], "violations": experiment.violations(trial)}
    return {"trial": trial, **values, "settings": _list_settings(experiment, trial)}


def _list_settings(experiment: Experiment, trial: int) -> dict[str, Any]:
    return {str(name): value for name, value in experiment.settings.loc[trial].dropna().items()}


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join(f"| {' | '.join(_escape(cell) for cell in line)} |" for line in lines)


def _escape(text: str) -> str:
    """Escape text for Markdown, so that it makes no tags and no new columns."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
