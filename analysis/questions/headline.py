"""A run in one sentence and a dozen numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.questions.leaders import Winner, describe_choice, find_winner
from analysis.wording import format_count, format_digits, format_share
from trainables.standing import describe_excluded

SUMMARY_KEYS = {"winner": "proved", "saved_epochs": "epochs_saved", "saved_hours": "hours_saved"}
"""Keys of `summary.json` that differ from the names of the fields."""


@dataclass(frozen=True)
class Headline:
    """The present result of a run.

    Attributes:
        sentence: the proof's, where it has a winner; else the search's.
        search: a sentence on the result of the search, on one seed.
        winner: of the proof, over fresh seeds.
        best, default: the objective of the search's best and of the default trial, on one seed.
        trials: number started so far.
        budget: number of trials in the budget.
        finished, stopped, failed, running: numbers of trials in each state; a trial without a record is in none.
        cut_short: number of trials that the scheduler stopped.
        stopped_share: their share of the started trials.
        saved_epochs: the share of the started trials' full budgets that the scheduler saved.
        saved_hours: the same in hours, by the seconds per epoch of each of these trials.
        default_note: what a comparison with the default trial must not hide; empty where there is nothing.
    """

    sentence: str
    search: str
    winner: Winner | None
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
    saved_epochs: float
    saved_hours: float
    default_note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Convert to plain values for `summary.json`, under the names that its readers know."""
        return {SUMMARY_KEYS.get(name, name): value for name, value in asdict(self).items()}


def headline(experiment: Experiment) -> Headline:
    """Sum up a run."""
    trials, budget = experiment.trials, experiment.space.budget
    counts = trials["status"].value_counts()
    count = len(trials)
    cut_short = trials[(trials["status"] == "stopped") & (trials["cause"] == "scheduler")]
    saved_epochs, saved_hours = _compute_savings(cut_short, count, budget.max_epochs)
    winner, search = find_winner(experiment), _describe_search(experiment, counts, saved_epochs)
    return Headline(
        sentence=winner.sentence if winner else search,
        search=search,
        winner=winner,
        best=_look_up_value(experiment, experiment.best),
        default=_look_up_value(experiment, experiment.default),
        best_trial=experiment.best,
        trials=count,
        budget=budget.trials,
        finished=int(counts.get("finished", 0)),
        stopped=int(counts.get("stopped", 0)),
        failed=int(counts.get("failed", 0)),
        running=int(counts.get("running", 0)),
        cut_short=len(cut_short),
        stopped_share=len(cut_short) / max(1, count),
        saved_epochs=saved_epochs,
        saved_hours=saved_hours,
        default_note=experiment.default_note,
    )


def _compute_savings(cut_short: pd.DataFrame, count: int, max_epochs: int) -> tuple[float, float]:
    """Return the epochs that the scheduler saved, as a share of all full budgets, and the hours of these."""
    stopped = cut_short[cut_short["epochs"] > 0]
    epochs = (max_epochs - stopped["epochs"]).clip(lower=0)
    hours = (stopped["seconds"] / stopped["epochs"] * epochs).sum() / 3600
    return float(epochs.sum() / max(1, count * max_epochs)), float(hours)


def _describe_search(experiment: Experiment, counts: pd.Series, saved_epochs: float) -> str:
    objective, budget = experiment.objective, experiment.space.budget.trials
    best, default = experiment.best, experiment.default
    if best is None:
        result = f"No result in {objective.first.metric} yet"
    else:
        scope = " in the search, on one seed" if find_winner(experiment) else ""
        value = format_digits(experiment.trials["value"].loc[best])
        result = f"Best {objective.first.metric} {value}{scope} (trial #{best}{_describe_best(experiment, best)})"
        if best == default:
            result += ", the default settings"
        elif default is not None:
            result += f" against {format_digits(experiment.trials['value'].loc[default])} of the default settings"
        if objective.is_multi:
            result += f", by {objective.first.metric}, the first of {len(objective.goals)} goals"
        remarks = filter(None, (experiment.default_note, describe_excluded(experiment.excluded)))
        result = "; ".join([result, *remarks])
    parts = [f"{counts.get(status, 0):,} {word}" for status, word in STATUS_WORDS.items() if counts.get(status, 0)]
    sentence = f"{result}; {len(experiment.trials):,} of {format_count(budget, 'trial')}"
    sentence += f": {', '.join(parts)}" if parts else ""
    sentence += f"; stopping saved {format_share(saved_epochs)} of the epochs." if saved_epochs else "."
    return " ".join(filter(None, [sentence, describe_choice(experiment)]))


def _describe_best(experiment: Experiment, best: int) -> str:
    """Name the stage of the best trial where it is not the last one, and the constraints that it violates."""
    stage = f", in stage {experiment.stage}" if experiment.stage else ""
    violations = " and ".join(experiment.violations(best))
    return f"{stage}{f', violates {violations}' if violations else ''}"


def _look_up_value(experiment: Experiment, trial: int | None) -> float | None:
    return None if trial is None else float(experiment.trials["value"].loc[trial])


STATUS_WORDS = {
    "finished": "trained in full",
    "stopped": "stopped early",
    "failed": "failed",
    "running": "running",
    "unknown": "with a lost record",
}
