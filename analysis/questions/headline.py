"""A run in one sentence and a dozen numbers."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.experiment import Experiment
from analysis.questions.answer import counted, figure, percent


@dataclass(frozen=True)
class Headline:
    """What a run has come to so far.

    Attributes:
        best, default: the objective of the best and of the default trial, at their best epochs.
        trials: begun so far; budget: asked for.
        finished, stopped, failed, running: of the begun ones; one whose record is lost is in none of them.
        stopped_share: stopped trials among the begun.
        epochs_saved: the share of all begun trials' full budgets that the scheduler's stopping spared.
        hours_saved: that, by each stopped trial's own seconds per epoch.
    """

    sentence: str
    best: float | None
    default: float | None
    best_trial: int | None
    trials: int
    budget: int
    finished: int
    stopped: int
    failed: int
    running: int
    stopped_share: float
    epochs_saved: float
    hours_saved: float


def headline(experiment: Experiment) -> Headline:
    """The run's headline."""
    trials, budget = experiment.trials, experiment.space.budget
    counts = trials["status"].value_counts()
    begun = len(trials)
    saved, hours = _saved(trials, budget.max_epochs)
    return Headline(
        sentence=_sentence(experiment, counts, saved),
        best=_value(experiment, experiment.best),
        default=_value(experiment, experiment.default),
        best_trial=experiment.best,
        trials=begun,
        budget=budget.trials,
        finished=int(counts.get("finished", 0)),
        stopped=int(counts.get("stopped", 0)),
        failed=int(counts.get("failed", 0)),
        running=int(counts.get("running", 0)),
        stopped_share=float(counts.get("stopped", 0)) / max(1, begun),
        epochs_saved=saved,
        hours_saved=hours,
    )


def _saved(trials: pd.DataFrame, max_epochs: int) -> tuple[float, float]:
    """Epochs that the scheduler spared, as a share of all full budgets, and the hours that they would have taken."""
    stopped = trials[(trials["status"] == "stopped") & (trials["cause"] == "scheduler") & (trials["epochs"] > 0)]
    left = (max_epochs - stopped["epochs"]).clip(lower=0)
    hours = (stopped["seconds"] / stopped["epochs"] * left).sum() / 3600
    return float(left.sum() / max(1, len(trials) * max_epochs)), float(hours)


def _sentence(experiment: Experiment, counts: pd.Series, saved: float) -> str:
    objective, asked = experiment.objective, experiment.space.budget.trials
    best, default = experiment.best, experiment.default
    if best is None:
        result = f"No result in {objective.first.metric} yet"
    else:
        result = f"Best {objective.first.metric} {figure(_of(experiment, best))} (trial #{best})"
        if best == default:
            result += ", the default settings"
        elif default is not None:
            result += f" against {figure(_of(experiment, default))} of the default settings"
    parts = [f"{counts.get(state, 0):,} {word}" for state, word in WORDS.items() if counts.get(state, 0)]
    sentence = f"{result}; {len(experiment.trials):,} of {counted(asked, 'trial')}"
    sentence += f": {', '.join(parts)}" if parts else ""
    return f"{sentence}; stopping saved {percent(saved)} of the epochs." if saved else f"{sentence}."


def _value(experiment: Experiment, trial: int | None) -> float | None:
    return None if trial is None else _of(experiment, trial)


def _of(experiment: Experiment, trial: int) -> float:
    return float(experiment.trials["value"].loc[trial])


WORDS = {
    "finished": "trained in full",
    "stopped": "stopped early",
    "failed": "failed",
    "running": "running",
    "unknown": "with a lost record",
}
