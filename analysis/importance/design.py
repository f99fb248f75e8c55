"""The trials of a run at one rung as a matrix: settings on the scales on which they are searched, the objective beside.

A setting that does not apply to a trial has no value there. The objective is signed so that larger is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment

FENCE = 1.5
"""Interquartile ranges below the first quartile at which a bad value is held: Tukey's inner fence."""


@dataclass(frozen=True)
class Design:
    """Trials by settings.

    Attributes:
        trials: their numbers, in order; names: the settings, in alphabetical order, so that no result depends on that
            of the space; kinds: their distributions.
        x: shape (trials, settings): a number's place in its range from 0 to 1, on its own scale; a choice's index; NaN
            where the setting does not apply.
        y: shape (trials,): the objective, larger is better, bad outliers held at the fence.
    """

    trials: np.ndarray
    names: list[str]
    kinds: list[Any]
    x: np.ndarray
    y: np.ndarray

    @property
    def active(self) -> np.ndarray:
        """Where a setting applies: shape (trials, settings)."""
        return np.isfinite(self.x)

    def column(self, name: str) -> int:
        """The column of a setting."""
        return self.names.index(name)

    def value(self, column: int, place: float) -> Any:
        """What a number in `x` stands for: a choice, or a value of the range."""
        kind = self.kinds[column]
        if hasattr(kind, "choices"):
            return kind.choices[round(place)]
        low, high = _ends(kind)
        value = float(np.exp(low + place * (high - low)) if kind.log else low + place * (high - low))
        return round(value) if isinstance(kind.high, int) else value


def design(experiment: Experiment, rung: int, most: int, seed: int) -> Design:
    """The trials that have a value at a rung and settings that are known; of very many, `most` by chance."""
    values = experiment.at(rung)
    values = values[np.isfinite(values)].sort_index()
    settings = experiment.settings.reindex(values.index)
    values = values[settings.notna().any(axis=1)]
    if len(values) > most:
        values = values.iloc[np.sort(np.random.default_rng(seed).choice(len(values), most, replace=False))]
    dimensions = sorted(experiment.space.dimensions, key=lambda dimension: dimension.name)
    columns = [_places(settings.loc[values.index, each.name], each.distribution, each.when) for each in dimensions]
    sign = experiment.objective.first.sign
    return Design(
        trials=values.index.to_numpy(),
        names=[dimension.name for dimension in dimensions],
        kinds=[dimension.distribution for dimension in dimensions],
        x=np.column_stack(columns) if columns else np.empty((len(values), 0)),
        y=_held(sign * values.to_numpy(float)),
    )


def _places(values: pd.Series, kind: Any, when: Any) -> np.ndarray:
    """One setting's column."""
    if hasattr(kind, "choices"):
        choices = list(kind.choices)
        missing = float(choices.index(None)) if None in choices and not when else np.nan
        return np.array([choices.index(value) if value in choices else missing for value in values.tolist()], float)
    low, high = _ends(kind)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):  # the default settings may lie outside the range, even at 0
        places = ((np.log(numbers) if kind.log else numbers) - low) / (high - low)
    return np.where(np.isnan(numbers), np.nan, np.clip(np.nan_to_num(places, nan=-1.0), -1.0, 2.0))


def _ends(kind: Any) -> tuple[float, float]:
    return (float(np.log(kind.low)), float(np.log(kind.high))) if kind.log else (float(kind.low), float(kind.high))


def _held(values: np.ndarray) -> np.ndarray:
    """Bad outliers moved up to the fence; a run whose middle half is level has no scale to judge them by."""
    if not len(values):
        return values
    low, high = np.quantile(values, [0.25, 0.75])
    return np.maximum(values, low - FENCE * (high - low)) if high > low else values
