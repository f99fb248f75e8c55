"""A run in one sentence and a dozen numbers."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.questions.answer import counted, figure, percent
from analysis.questions.leading import Proved, chosen_words, proved


@dataclass(frozen=True)
class Headline:
    """What a run has come to so far.

    Attributes:
        sentence: the proof's, where it has a winner; else what the search has found.
        search: what the search has found, on one seed.
        proved: the winner over fresh seeds.
        best, default: the objective of the search's best and of the default trial, at their best epochs, on one seed.
        trials: begun so far; budget: asked for.
        finished, stopped, failed, running: of the begun ones; one whose record is lost is in none of them.
        cut_short: those that the scheduler stopped; stopped_share: them among the begun.
        epochs_saved: the share of all begun trials' full budgets that this spared.
        hours_saved: that, by each of these trials' own seconds per epoch.
    """

    sentence: str
    search: str
    proved: Proved | None
    best: float | None
    default: float | None
    best_trial: int | None
    trials: int
    budget: int
    finished: int
    stopped: int
    failed: int
    running: int
    cut_short: int
    stopped_share: float
    epochs_saved: float
    hours_saved: float


def headline(experiment: Experiment) -> Headline:
    """The run's headline."""
    trials, budget = experiment.trials, experiment.space.budget
    counts = trials["status"].value_counts()
    begun = len(trials)
    cut_short = trials[(trials["status"] == "stopped") & (trials["cause"] == "scheduler")]
    saved, hours = _saved(cut_short, begun, budget.max_epochs)
    won, search = proved(experiment), _sentence(experiment, counts, saved)
    return Headline(
        sentence=won.sentence if won else search,
        search=search,
        proved=won,
        best=_value(experiment, experiment.best),
        default=_value(experiment, experiment.default),
        best_trial=experiment.best,
        trials=begun,
        budget=budget.trials,
        finished=int(counts.get("finished", 0)),
        stopped=int(counts.get("stopped", 0)),
        failed=int(counts.get("failed", 0)),
        running=int(counts.get("running", 0)),
        cut_short=len(cut_short),
        stopped_share=len(cut_short) / max(1, begun),
        epochs_saved=saved,
        hours_saved=hours,
    )


def _saved(cut_short: pd.DataFrame, begun: int, max_epochs: int) -> tuple[float, float]:
    """Epochs that the scheduler spared, as a share of all full budgets, and the hours that they would have taken."""
    stopped = cut_short[cut_short["epochs"] > 0]
    left = (max_epochs - stopped["epochs"]).clip(lower=0)
    hours = (stopped["seconds"] / stopped["epochs"] * left).sum() / 3600
    return float(left.sum() / max(1, begun * max_epochs)), float(hours)


def _sentence(experiment: Experiment, counts: pd.Series, saved: float) -> str:
    objective, asked = experiment.objective, experiment.space.budget.trials
    best, default = experiment.best, experiment.default
    if best is None:
        result = f"No result in {objective.first.metric} yet"
    else:
        one_seed = " in the search, on one seed" if proved(experiment) else ""
        result = f"Best {objective.first.metric} {figure(_of(experiment, best))}{one_seed} (trial #{best})"
        if best == default:
            result += ", the default settings"
        elif default is not None:
            result += f" against {figure(_of(experiment, default))} of the default settings"
        if objective.several:
            result += f", by {objective.first.metric}, the first of {len(objective.goals)} goals"
    parts = [f"{counts.get(state, 0):,} {word}" for state, word in WORDS.items() if counts.get(state, 0)]
    sentence = f"{result}; {len(experiment.trials):,} of {counted(asked, 'trial')}"
    sentence += f": {', '.join(parts)}" if parts else ""
    sentence += f"; stopping saved {percent(saved)} of the epochs." if saved else "."
    return " ".join(filter(None, [sentence, chosen_words(experiment)]))


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
