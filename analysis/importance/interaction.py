"""The interaction of the two most important settings: the predicted objective over both, and its non-additive share."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.frames.experiment import Experiment
from analysis.importance.design import Design, build_design
from analysis.importance.forest import predict_surface

if TYPE_CHECKING:
    from analysis.importance.estimates import Importances

GRID_POINTS = 15
"""Points of a numeric setting's grid."""

MIN_TRIALS = 30
"""Trials to which both settings must apply."""

GRID_QUANTILES = (0.05, 0.95)
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


def estimate_interaction(experiment: Experiment, importances: Importances) -> Interaction | None:
    """Estimate the interaction of the two most important settings that can vary together; None without a pair.

    `share` is the square of the H statistic, over the grid. Source: Friedman and Popescu 2008, Predictive learning via
    rule ensembles, section 8.1.
    """
    design = build_design(experiment, importances.rung, importances.trials, seed=0)
    pair = _choose_pair(experiment, design, importances)
    if pair is None:
        return None
    columns = design.column(pair[0]), design.column(pair[1])
    is_complete = design.active[:, columns[0]] & design.active[:, columns[1]]
    x, y = (_grid(design, column, is_complete) for column in columns)
    if min(len(x), len(y)) < 2:
        return None
    z = predict_surface(design, columns, x, y, seed=0)
    return Interaction(
        names=pair,
        x=[design.value(columns[0], position) for position in x],
        y=[design.value(columns[1], position) for position in y],
        z=z if experiment.objective.first.mode == "max" else -z,
        share=_interaction_share(z),
    )


def _choose_pair(experiment: Experiment, design: Design, importances: Importances) -> tuple[str, str] | None:
    """Choose the first pair by importance that applies to enough trials together, neither a condition of the other."""
    parents = {dimension.name: set(dimension.when) for dimension in experiment.space.dimensions}
    means = importances.table[["forest", "pedanova"]].mean(axis=1).dropna().sort_values(ascending=False, kind="stable")
    pairs = sorted(itertools.combinations(range(len(means)), 2), key=sum)
    for indices in pairs:
        first, second = means.index[list(indices)]
        together = design.active[:, [design.column(first), design.column(second)]].all(axis=1).sum()
        if together >= MIN_TRIALS and first not in parents[second] and second not in parents[first]:
            return first, second
    return None


def _grid(design: Design, column: int, rows: np.ndarray) -> np.ndarray:
    """Choose a setting's grid: the choices that were tried, or numbers between their quantiles."""
    levels, distribution = np.unique(design.x[rows, column]), design.distributions[column]
    has_steps = not hasattr(distribution, "choices") and bool(distribution.step)
    if hasattr(distribution, "choices") or (has_steps and len(levels) <= GRID_POINTS):
        return levels
    low, high = np.quantile(design.x[rows, column], GRID_QUANTILES)
    return np.linspace(low, high, GRID_POINTS)


def _interaction_share(z: np.ndarray) -> float:
    """Compute the share of a surface's variance that the sum of its rows' and columns' means does not explain."""
    residual = z - z.mean(axis=0, keepdims=True) - z.mean(axis=1, keepdims=True) + z.mean()
    return float(residual.var() / z.var()) if z.var() > 0 else 0.0
