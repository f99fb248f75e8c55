"""Whether the best trial is better than chance and than methods that train no network: what `baselines.json` says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from analysis.proof.result import Proof
from analysis.questions.answer import Outcome
from analysis.questions.evidence import CLEAR_SCATTERS, Evidence
from analysis.wording import format_digits
from trainables.baselines import Baselines
from trainables.files import BASELINES
from trainables.objective import Objective
from trainables.settings import UsageError

BETTER_THAN_TRIVIAL = "Is it better than a trivial method?"


def read_baselines(run: Path) -> Baselines:
    """Read the baselines of a run; without rows where there are none, with a problem where the file is damaged."""
    try:
        return Baselines.read(run)
    except UsageError as error:
        return Baselines(problem=str(error))


def has_baselines(run: Path) -> bool:
    """Tell whether baselines of a run are recorded: older runs and variants that compute none have none."""
    return (run / BASELINES).is_file()


def compare_means(proof: Proof, run: Path) -> list[str]:
    """Compare the means of a proof over its seeds with chance and trivial methods, in lines."""
    models = {"default": proof.default, **({} if proof.winner is None else {"winner": proof.best})}
    means = {name: {proof.goal.metric: model.mean} for name, model in models.items() if model.values}
    return read_baselines(run).compare(Objective((proof.goal,)), means)


def judge_baselines(evidence: Evidence) -> Outcome:
    """Judge whether the best trial, or with several goals the chosen one, beats every row."""
    experiment = evidence.experiment
    objective, baselines = experiment.objective, read_baselines(experiment.path)
    trial = experiment.choice if objective.is_multi else experiment.best
    if not any(baselines.values(goal.metric) for goal in objective.goals):
        reason = baselines.problem or "no row has a metric of the objective"
        return "unknown", f"There is nothing to compare with: {reason.rstrip('.')}."
    if trial is None:
        return "unknown", "No trial is chosen yet, so there is none to compare; look again when more have ended."
    report = _goal_values(evidence, trial)
    levels = "; ".join(
        f"{goal.metric}: {baselines.format_levels(goal.metric)}, #{trial} {format_digits(report[goal.metric])}"
        for goal in objective.goals
        if baselines.values(goal.metric)
    )
    if rows := baselines.unbeaten(objective, report):
        return "bad", (
            f"No: #{trial} is not better than {' or '.join(rows)} ({levels}). Such a method takes seconds: train "
            "longer, search elsewhere, or use it instead."
        )
    return _judge_lead(evidence, baselines, levels, trial)


def _goal_values(evidence: Evidence, trial: int) -> dict[str, Any]:
    """Return the metrics of the goals that a trial is compared by."""
    names = dict.fromkeys(goal.metric for goal in evidence.experiment.objective.goals)
    values = {name: float(evidence.lookup(trial, name)) for name in names}
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _judge_lead(evidence: Evidence, baselines: Baselines, levels: str, trial: int) -> Outcome:
    """Judge a trial that beats every row: by how much, and whether the default does so, too."""
    experiment = evidence.experiment
    objective = experiment.objective
    default = ""
    if experiment.default is not None and trial != 0:
        rows = baselines.unbeaten(objective, _goal_values(evidence, 0))
        default = f" The default settings are not better than {' or '.join(rows)}." if rows else ""
    goal, scatter = objective.first, evidence.scatter
    row = baselines.strongest(goal)
    if objective.is_multi or row is None:
        return ("careful" if default else "good"), f"No row is as good in all goals ({levels}).{default}"
    gain = goal.sign * (evidence.value(trial) - baselines.rows[row][goal.metric])
    if scatter is not None and gain <= CLEAR_SCATTERS * scatter:
        return "careful", (
            f"Hardly: #{trial} is better than {row} by {format_digits(gain)}, and the best trials scatter by "
            f"{format_digits(scatter)} from epoch to epoch ({levels}).{default}"
        )
    sentence = f"#{trial} is better than {row} by {format_digits(gain)} ({levels}).{default}"
    return ("careful" if default else "good"), sentence
