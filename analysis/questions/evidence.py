"""The evidence that several questions of a run share: its best trials, their curves, and the scatter of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from trainables.objective import STAGES_LEFT

TOP = 5
"""Number of trials that count as the best: enough for a median that one outlier does not move."""

CLEAR_SCATTERS = 3.0
"""Scatters by which two results must differ: two standard errors of their difference are 2√2 scatters."""


@dataclass(frozen=True)
class Evidence:
    """A run, with the values that are computed once for all questions.

    Attributes:
        top: the best trials, best first.
        complete_trials: the best of those that trained their whole budget.
        curves: the objective by epoch in the last stage of each trial of both lists; larger is better.
        scatter: the standard deviation from one epoch to the next at the end of the best trials. A lower bound of the
            scatter between seeds, which also start differently; None where the curves are too short.
    """

    experiment: Experiment
    top: list[int]
    complete_trials: list[int]
    curves: dict[int, pd.Series]
    scatter: float | None

    @property
    def sign(self) -> int:
        """The factor that makes larger values better."""
        return self.experiment.objective.first.sign

    @property
    def metric(self) -> str:
        """The first goal's metric."""
        return self.experiment.objective.first.metric

    def lookup(self, trial: int, column: str) -> Any:
        """Look up a column of a trial in the run's table."""
        return self.experiment.trials.at[trial, column]

    def value(self, trial: int) -> float:
        """Return a trial's objective in the report that stands for it."""
        return float(self.lookup(trial, "value"))

    def best_epoch(self, trial: int) -> int:
        """Return the best epoch of a trial's last stage by the first goal, which of several does not choose weights."""
        if self.experiment.objective.is_multi:
            curve = self.curves[trial]
            return int(curve.index[int(np.nanargmax(curve.to_numpy(float)))])
        return int(self.lookup(trial, "best_epoch"))

    def gain(self, trial: int, reference: int) -> float:
        """Return by how much a trial is better than a reference trial."""
        return self.sign * (self.value(trial) - self.value(reference))

    def is_feasible(self, trial: int) -> bool:
        """Check that a trial keeps the constraints at its best epoch."""
        return bool(self.lookup(trial, "violation") == 0)


def gather(experiment: Experiment) -> Evidence:
    """Gather the evidence of a run, which may be empty."""
    top = experiment.ranking[:TOP]
    has_full_budget = experiment.trials["epochs"] >= experiment.space.budget.max_epochs
    complete = [trial for trial in experiment.ranking if has_full_budget.at[trial]][:TOP]
    curves = _curves(experiment, {*top, *complete})
    scatter = _scatter([curves[trial] for trial in complete or top])
    return Evidence(experiment, top, complete, curves, scatter)


def _curves(experiment: Experiment, trials: set[int]) -> dict[int, pd.Series]:
    if not trials:
        return {}
    sign = experiment.objective.first.sign
    reports = experiment.reports[experiment.reports["trial"].isin(trials)]
    # What a curve does at a border of stages is neither an improvement nor noise.
    rows = reports[reports[STAGES_LEFT] == reports["trial"].map(experiment.trials["stages_left"])]
    rows = rows.sort_values("epoch", kind="stable")
    by_trial = rows.set_index("epoch").groupby("trial")["objective/value"]
    return {trial: sign * by_trial.get_group(trial) for trial in trials}


def _scatter(curves: Sequence[pd.Series]) -> float | None:
    """Estimate the scatter from second differences over the last halves; level and slope do not affect these.

    Independent noise of variance v has second differences of variance 6 v. The median over the curves keeps one that
    collapses at its end from dominating.
    """
    differences = [np.diff(curve.to_numpy(float)[-max(4, len(curve) // 2) :], 2) for curve in curves]
    variances = [float(np.mean(np.square(difference))) / 6 for difference in differences if len(difference) >= 2]
    return float(np.sqrt(np.median(variances))) if variances else None
