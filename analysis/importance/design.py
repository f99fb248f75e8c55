"""The trials of a run at one rung as a matrix: settings on the scales of their search, and the objective.

A setting that does not apply to a trial is NaN there. The objective is signed so that larger is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment

FENCE = 1.5
"""Interquartile ranges below the first quartile to which a bad value is clipped: Tukey's inner fence."""


@dataclass(frozen=True)
class Design:
    """Trials by settings.

    Attributes:
        trials: their numbers, in order; names: the settings, in alphabetical order, so that no result depends on their
            order in the space; distributions: those of the settings.
        x: shape (trials, settings): a number's position in its range from 0 to 1, on its own scale; a choice's index;
            NaN where the setting does not apply.
        y: shape (trials,): the objective, larger is better, bad outliers clipped to the fence.
    """

    trials: np.ndarray
    names: list[str]
    distributions: list[Any]
    x: np.ndarray
    y: np.ndarray

    @property
    def active(self) -> np.ndarray:
        """Where a setting applies: shape (trials, settings)."""
        return np.isfinite(self.x)

    def column(self, name: str) -> int:
        """Return the column of a setting."""
        return self.names.index(name)

    def value(self, column: int, position: float) -> Any:
        """Decode a number of `x`: a choice, or a value of the range."""
        distribution = self.distributions[column]
        if hasattr(distribution, "choices"):
            return distribution.choices[round(position)]
        low, high = _ends(distribution)
        value = float(np.exp(low + position * (high - low)) if distribution.log else low + position * (high - low))
        return round(value) if isinstance(distribution.high, int) else value


def build_design(experiment: Experiment, rung: int, max_trials: int, seed: int) -> Design:
    """Build the matrix of the trials with a value at a rung and known settings; of very many, a random sample."""
    values = experiment.values_at(rung)
    values = values[np.isfinite(values)].sort_index()
    settings = experiment.settings.reindex(values.index)
    values = values[settings.notna().any(axis=1)]
    if len(values) > max_trials:
        values = values.iloc[np.sort(np.random.default_rng(seed).choice(len(values), max_trials, replace=False))]
    dimensions = sorted(experiment.space.dimensions, key=lambda dimension: dimension.name)
    columns = [
        _encode_column(settings.loc[values.index, dimension.name], dimension.distribution, bool(dimension.when))
        for dimension in dimensions
    ]
    sign = experiment.objective.first.sign
    return Design(
        trials=values.index.to_numpy(),
        names=[dimension.name for dimension in dimensions],
        distributions=[dimension.distribution for dimension in dimensions],
        x=np.column_stack(columns) if columns else np.empty((len(values), 0)),
        y=_clip_outliers(sign * values.to_numpy(float)),
    )


def _encode_column(values: pd.Series, distribution: Any, is_conditional: bool) -> np.ndarray:
    """Encode one setting's values as a column of `x`."""
    if hasattr(distribution, "choices"):
        choices = list(distribution.choices)
        missing = float(choices.index(None)) if None in choices and not is_conditional else np.nan
        return np.array([choices.index(value) if value in choices else missing for value in values.tolist()], float)
    low, high = _ends(distribution)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):  # the default settings may lie outside the range, even at 0
        positions = ((np.log(numbers) if distribution.log else numbers) - low) / (high - low)
    return np.where(np.isnan(numbers), np.nan, np.clip(np.nan_to_num(positions, nan=-1.0), -1.0, 2.0))


def _ends(distribution: Any) -> tuple[float, float]:
    low, high = distribution.low, distribution.high
    return (float(np.log(low)), float(np.log(high))) if distribution.log else (float(low), float(high))


def _clip_outliers(values: np.ndarray) -> np.ndarray:
    """Clip bad outliers to the fence; where the middle half of the values is level there is no scale to judge by."""
    if not len(values):
        return values
    low, high = np.quantile(values, [0.25, 0.75])
    return np.maximum(values, low - FENCE * (high - low)) if high > low else values
