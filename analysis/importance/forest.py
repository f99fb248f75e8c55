"""A random forest over the trials of a run: each setting's importance, and the surface over two.

Source: Breiman 2001, Random forests, section 10 (permutation importance); Friedman 2001, Greedy function approximation,
section 8.2 (partial dependence).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.importance.design import Design

TREES = 20
"""Trees per forest; the importances are means over many forests."""

SURFACE_TREES = 200
MIN_LEAF_TRIALS = 3
"""Fewest trials of a leaf: single ones are noise."""

FEATURE_SHARE = 0.7
"""Share of the columns that a split may choose from, so that trees differ."""

PERMUTATIONS = 2
BACKGROUND_TRIALS = 100
"""Trials over which a surface is averaged."""


def permutation_importances(design: Design, replicates: int, seed: int) -> tuple[np.ndarray, float]:
    """Measure how much worse the predictions get when a setting's values are permuted.

    Each replicate fits a forest to a bootstrap sample and measures on the trials that are not in it. A choice is
    permuted as a whole; a conditional setting among the trials to which it applies. The others get random values of it
    for the fit, so that its absence does not reveal its parent to the forest.

    Returns:
        (replicates, settings) increases of the squared error, and the share of the variance outside the samples that
        the forests explain.
    """
    rng = np.random.default_rng(seed)
    increases = np.zeros((replicates, len(design.names)))
    errors, variances = np.zeros(replicates), np.zeros(replicates)
    for index in range(replicates):
        sample = rng.integers(len(design.y), size=len(design.y))
        held_out = np.setdiff1d(np.arange(len(design.y)), sample)
        x = _fill_inactive(design, rng)
        forest = _forest(TREES, rng).fit(_encode_features(design, x[sample]), design.y[sample])
        # first the rows as they are, then copies with one setting permuted
        inputs = np.concatenate([x[held_out][None], _permute_settings(x[held_out], design.active[held_out], rng)])
        predictions = forest.predict(_encode_features(design, inputs.reshape(-1, inputs.shape[-1])))
        squared_errors = np.square(predictions.reshape(len(inputs), -1) - design.y[held_out]).mean(axis=1)
        increases[index] = squared_errors[1:].reshape(PERMUTATIONS, -1).mean(axis=0) - squared_errors[0]
        errors[index] = squared_errors[0]
        variances[index] = np.square(design.y[held_out] - design.y[sample].mean()).mean()
    return increases, float(1 - errors.sum() / variances.sum()) if variances.any() else 0.0


def predict_surface(design: Design, columns: tuple[int, int], x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Predict over a grid of two settings, a mean over trials to which both apply: shape (len(y), len(x))."""
    rng = np.random.default_rng(seed)
    forest = _forest(SURFACE_TREES, rng)
    rows = _fill_inactive(design, rng)
    forest.fit(_encode_features(design, rows), design.y)
    background = rows[design.active[:, list(columns)].all(axis=1)]
    background = background[rng.permutation(len(background))[:BACKGROUND_TRIALS]]
    grid = np.tile(background, (len(y) * len(x), 1, 1))
    grid[:, :, columns[0]] = np.tile(x, len(y))[:, None]
    grid[:, :, columns[1]] = np.repeat(y, len(x))[:, None]
    predictions = forest.predict(_encode_features(design, grid.reshape(-1, grid.shape[-1])))
    return predictions.reshape(len(y), len(x), len(background)).mean(axis=2)


def _forest(trees: int, rng: np.random.Generator) -> Any:
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415  takes seconds to import

    state = int(rng.integers(2**31))
    return RandomForestRegressor(
        trees, min_samples_leaf=MIN_LEAF_TRIALS, max_features=FEATURE_SHARE, random_state=state
    )


def _fill_inactive(design: Design, rng: np.random.Generator) -> np.ndarray:
    """Fill the values that do not apply with random ones that do."""
    x = design.x.copy()
    for column, active in enumerate(design.active.T):
        values = design.x[active, column]
        x[~active, column] = rng.choice(values, (~active).sum()) if len(values) else 0.0
    return x


def _encode_features(design: Design, rows: np.ndarray) -> np.ndarray:
    """Encode rows for the forest: numbers as they are, choices one-hot."""
    parts = [
        rows[:, [column]] == np.arange(len(distribution.choices))
        if hasattr(distribution, "choices")
        else rows[:, [column]]
        for column, distribution in enumerate(design.distributions)
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _permute_settings(rows: np.ndarray, active: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permute one setting at a time, repeatedly: (permutations · settings, n, settings)."""
    settings = rows.shape[1]
    copies = np.tile(rows, (PERMUTATIONS * settings, 1, 1))
    for index in range(len(copies)):
        column = index % settings
        applies = active[:, column]
        copies[index, applies, column] = rng.permutation(rows[applies, column])
    return copies
