"""The predicted objective over the two most important settings, and what their separate effects leave over of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.frames.experiment import Experiment
from analysis.importance.design import Design, design
from analysis.importance.forest import surface

if TYPE_CHECKING:
    from analysis.importance.estimates import Importances

GRID = 15
"""Points of a number's grid."""

NEEDED = 30
"""Trials to which both settings must apply."""

INNER = (0.05, 0.95)
"""Quantiles of the trials between which the grid lies: beyond them a forest only repeats its last values."""


@dataclass(frozen=True)
class Interaction:
    """The predicted objective over two settings.

    Attributes:
        names: the two settings; x, y: their grids, numbers or choices, in their order.
        z: predicted objective, shape (len(y), len(x)).
        share: of the surface's variance, what the two settings' separate effects do not explain.
    """

    names: tuple[str, str]
    x: list[Any]
    y: list[Any]
    z: np.ndarray
    share: float


def interaction(experiment: Experiment, importances: Importances) -> Interaction | None:
    """The interaction of the two most important settings that can be varied together; None without such a pair.

    `share` is the square of the H statistic, over the grid. Source: Friedman and Popescu 2008, Predictive learning via
    rule ensembles, section 8.1.
    """
    made = design(experiment, importances.rung, importances.trials, seed=0)
    pair = _pair(experiment, made, importances)
    if pair is None:
        return None
    columns = made.column(pair[0]), made.column(pair[1])
    both = made.active[:, columns[0]] & made.active[:, columns[1]]
    x, y = (_grid(made, column, both) for column in columns)
    if min(len(x), len(y)) < 2:
        return None
    z = surface(made, columns, x, y, seed=0)
    return Interaction(
        names=pair,
        x=[made.value(columns[0], place) for place in x],
        y=[made.value(columns[1], place) for place in y],
        z=z if experiment.objective.first.mode == "max" else -z,
        share=_share(z),
    )


def _pair(experiment: Experiment, made: Design, importances: Importances) -> tuple[str, str] | None:
    """The first pair by importance that applies to enough trials together, neither being a condition of the other."""
    parents = {dimension.name: set(dimension.when) for dimension in experiment.space.dimensions}
    means = importances.table[["forest", "pedanova"]].mean(axis=1).dropna().sort_values(ascending=False, kind="stable")
    pairs = sorted(itertools.combinations(range(len(means)), 2), key=sum)
    for first, second in pairs:
        one, other = means.index[first], means.index[second]
        together = made.active[:, [made.column(one), made.column(other)]].all(axis=1).sum()
        if together >= NEEDED and one not in parents[other] and other not in parents[one]:
            return one, other
    return None


def _grid(made: Design, column: int, rows: np.ndarray) -> np.ndarray:
    """The places of a setting's grid: the choices that were tried, or numbers between their quantiles."""
    tried, kind = np.unique(made.x[rows, column]), made.kinds[column]
    stepped = not hasattr(kind, "choices") and bool(kind.step)
    if hasattr(kind, "choices") or (stepped and len(tried) <= GRID):
        return tried
    low, high = np.quantile(made.x[rows, column], INNER)
    return np.linspace(low, high, GRID)


def _share(z: np.ndarray) -> float:
    """Of the variance of a surface, what the sum of its rows' and columns' means leaves over."""
    left = z - z.mean(axis=0, keepdims=True) - z.mean(axis=1, keepdims=True) + z.mean()
    return float(left.var() / z.var()) if z.var() > 0 else 0.0
