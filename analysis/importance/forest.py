"""A random forest over the trials of a run: how much it needs each setting, and what it predicts over two of them.

Source: Breiman 2001, Random forests, section 10 (permutation importance); Friedman 2001, Greedy function approximation,
section 8.2 (partial dependence).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.importance.design import Design

TREES = 20
"""Per forest; the importances are means over many forests."""

SURFACE_TREES = 200
LEAF = 3
"""Trials that a leaf holds at least: single ones are noise."""

FEATURES = 0.7
"""Share of the columns that a split may choose from, so that trees differ."""

PERMUTATIONS = 2
BACKGROUND = 100
"""Trials over which a surface is averaged."""


def permutation_importances(made: Design, replicates: int, seed: int) -> tuple[np.ndarray, float]:
    """How much worse the predictions get when a setting's values are dealt out anew.

    Each replicate fits a forest to a bootstrap sample and measures on the trials that are not in it. A choice is dealt
    out as a whole; a conditional setting among the trials to which it applies. To the others it is given at random for
    the fit, so that its absence does not tell the forest what its parent is.

    Returns:
        (replicates, settings) increases of the squared error, and the share of the variance outside the samples that
        the forests explain.
    """
    rng = np.random.default_rng(seed)
    increases = np.zeros((replicates, len(made.names)))
    errors, variances = np.zeros(replicates), np.zeros(replicates)
    for index in range(replicates):
        drawn = rng.integers(len(made.y), size=len(made.y))
        out = np.setdiff1d(np.arange(len(made.y)), drawn)
        filled = _filled(made, rng)
        forest = _forest(TREES, rng).fit(_columns(made, filled[drawn]), made.y[drawn])
        dealt = np.concatenate([filled[out][None], _dealt(filled[out], made.active[out], rng)])
        predicted = forest.predict(_columns(made, dealt.reshape(-1, dealt.shape[-1]))).reshape(len(dealt), -1)
        squared = np.square(predicted - made.y[out]).mean(axis=1)
        increases[index] = squared[1:].reshape(PERMUTATIONS, -1).mean(axis=0) - squared[0]
        errors[index], variances[index] = squared[0], np.square(made.y[out] - made.y[drawn].mean()).mean()
    return increases, float(1 - errors.sum() / variances.sum()) if variances.any() else 0.0


def surface(made: Design, columns: tuple[int, int], x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """The prediction over a grid of two settings, a mean over trials to which both apply: shape (len(y), len(x))."""
    rng = np.random.default_rng(seed)
    forest = _forest(SURFACE_TREES, rng)
    filled = _filled(made, rng)
    forest.fit(_columns(made, filled), made.y)
    there = filled[made.active[:, list(columns)].all(axis=1)]
    there = there[rng.permutation(len(there))[:BACKGROUND]]
    grid = np.tile(there, (len(y) * len(x), 1, 1))
    grid[:, :, columns[0]] = np.tile(x, len(y))[:, None]
    grid[:, :, columns[1]] = np.repeat(y, len(x))[:, None]
    predicted = forest.predict(_columns(made, grid.reshape(-1, grid.shape[-1])))
    return predicted.reshape(len(y), len(x), len(there)).mean(axis=2)


def _forest(trees: int, rng: np.random.Generator) -> Any:
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415  takes seconds to import

    state = int(rng.integers(2**31))
    return RandomForestRegressor(trees, min_samples_leaf=LEAF, max_features=FEATURES, random_state=state)


def _filled(made: Design, rng: np.random.Generator) -> np.ndarray:
    """The matrix with what does not apply drawn from what does."""
    filled = made.x.copy()
    for column, active in enumerate(made.active.T):
        known = made.x[active, column]
        filled[~active, column] = rng.choice(known, (~active).sum()) if len(known) else 0.0
    return filled


def _columns(made: Design, rows: np.ndarray) -> np.ndarray:
    """What the forest sees: numbers as they are, choices one-hot."""
    parts = [
        rows[:, [column]] == np.arange(len(kind.choices)) if hasattr(kind, "choices") else rows[:, [column]]
        for column, kind in enumerate(made.kinds)
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _dealt(rows: np.ndarray, active: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The rows with one setting dealt out anew, for each and repeatedly: (permutations · settings, n, settings)."""
    settings = rows.shape[1]
    dealt = np.tile(rows, (PERMUTATIONS * settings, 1, 1))
    for place in range(len(dealt)):
        column = place % settings
        applies = active[:, column]
        dealt[place, applies, column] = rng.permutation(rows[applies, column])
    return dealt
