"""What several questions of a run rest on: its best trials, how their curves scatter, and the proof if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment

TOP = 5
"""Trials that count as the best ones: enough for a median that one odd trial does not move."""

CLEAR = 3.0
"""Scatters by which two results must differ: two standard errors of a difference of two runs are 2√2."""


@dataclass(frozen=True)
class Evidence:
    """A run with what is computed once for all questions.

    Attributes:
        top: the best trials, best first; complete: the best of those that trained their whole budget.
        curves: the objective by epoch, larger is better, for every trial in either.
        scatter: from one epoch to the next at the end of the best trials, as a standard deviation. A lower bound of
            how results differ between seeds, which also start elsewhere; None where the curves are too short.
    """

    experiment: Experiment
    top: list[int]
    complete: list[int]
    curves: dict[int, pd.Series]
    scatter: float | None

    @property
    def sign(self) -> int:
        """By what a value is multiplied for larger to be better."""
        return self.experiment.objective.first.sign

    @property
    def metric(self) -> str:
        """The first goal's metric."""
        return self.experiment.objective.first.metric

    def of(self, trial: int, column: str) -> Any:
        """What the run's table says of a trial."""
        return self.experiment.trials.at[trial, column]

    def value(self, trial: int) -> float:
        """A trial's objective at its best epoch, as it was reported."""
        return float(self.of(trial, "value"))

    def gain(self, trial: int, over: int) -> float:
        """By how much one trial is better than another."""
        return self.sign * (self.value(trial) - self.value(over))

    def kept(self, trial: int) -> bool:
        """Whether a trial keeps the constraints at its best epoch."""
        return bool(self.of(trial, "violation") == 0)


def gather(experiment: Experiment) -> Evidence:
    """The evidence of a run, which may be empty."""
    top = experiment.ranked[:TOP]
    full = experiment.trials["epochs"] >= experiment.space.budget.max_epochs
    complete = [trial for trial in experiment.ranked if full.at[trial]][:TOP]
    curves = _curves(experiment, {*top, *complete})
    scatter = _scatter([curves[trial] for trial in complete or top])
    return Evidence(experiment, top, complete, curves, scatter)


def _curves(experiment: Experiment, trials: set[int]) -> dict[int, pd.Series]:
    if not trials:
        return {}
    sign = experiment.objective.first.sign
    rows = experiment.reports[experiment.reports["trial"].isin(trials)].sort_values("epoch", kind="stable")
    by_trial = rows.set_index("epoch").groupby("trial")["objective/value"]
    return {trial: sign * by_trial.get_group(trial) for trial in trials}


def _scatter(curves: Sequence[pd.Series]) -> float | None:
    """From second differences over the last halves, which neither a level nor a steady rise adds to.

    Independent noise of variance v has second differences of variance 6 v. The median over the curves, so that one
    that breaks down at its end does not speak for all.
    """
    bends = [np.diff(curve.to_numpy(float)[-max(4, len(curve) // 2) :], 2) for curve in curves]
    variances = [float(np.mean(np.square(bend))) / 6 for bend in bends if len(bend) >= 2]
    return float(np.sqrt(np.median(variances))) if variances else None
