"""Platt scaling: calibrates probabilities on examples whose truth is known.

Source: Platt 1999 (sec. 2.2), with its smoothed targets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

LOGIT_LIMIT = 20.0  # logits are clipped to it
_BINS = 2000
_SMALLEST_SLOPE = 1e-3


class Platt(NamedTuple):
    """calibrated logit = slope · logit + offset, with a slope above 0, so that the order of pixels stays."""

    slope: float
    offset: float


def fit_platt(maps: Iterable[tuple[np.ndarray, np.ndarray]]) -> Platt:
    """Fit a scaling to maps of probabilities `[H, W]` and their truth, bool `[H, W]`, by logistic regression.

    Logits are counted in bins, so that memory does not grow with the number of maps. Where either class is missing
    there is nothing to learn: (1, 0). A network that is worse than chance gets a slope of almost 0, so that all of its
    probabilities become the share of positives.
    """
    counts = np.zeros((2, _BINS))
    edges = np.linspace(-LOGIT_LIMIT, LOGIT_LIMIT, _BINS + 1)
    for probabilities, truth in maps:
        logits = _logits(probabilities)
        for row, mask in enumerate((~truth, truth)):
            counts[row] += np.histogram(logits[mask], _BINS, (-LOGIT_LIMIT, LOGIT_LIMIT))[0]
    if not counts.sum(axis=1).all():
        return Platt(1.0, 0.0)
    return _regress((edges[1:] + edges[:-1]) / 2, counts[0], counts[1])


def fit_platt_weighted(probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> Platt:
    """Fit a scaling to single examples, `[N]` each, that count in proportion to their weights.

    Where either class is missing there is nothing to learn: (1, 0).
    """
    weights = weights * len(weights) / weights.sum()
    positives, negatives = np.where(truth, weights, 0.0), np.where(truth, 0.0, weights)
    if not positives.any() or not negatives.any():
        return Platt(1.0, 0.0)
    return _regress(_logits(probabilities), negatives, positives)


def apply_platt(probabilities: np.ndarray, platt: Platt) -> np.ndarray:
    """Calibrate probabilities, float32 of any shape; a scaling of (1, 0) leaves every bit as it is."""
    if platt == (1.0, 0.0):
        return probabilities
    return special.expit(np.float32(platt.slope) * _logits(probabilities) + np.float32(platt.offset))


def _logits(probabilities: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # the infinite logit of a saturated probability is clipped
        return np.clip(special.logit(probabilities), -LOGIT_LIMIT, LOGIT_LIMIT)


def _regress(logits: np.ndarray, negatives: np.ndarray, positives: np.ndarray) -> Platt:
    """Regress counts on logits; Platt's targets are not quite 0 and 1, so that separable classes have a finite fit."""
    high, low = (positives.sum() + 1) / (positives.sum() + 2), 1 / (negatives.sum() + 2)
    total = positives + negatives
    targets = high * positives + low * negatives

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scores = parameters[0] * logits + parameters[1]
        entropy = total * np.logaddexp(0.0, scores) - targets * scores
        slope = total * special.expit(scores) - targets
        return entropy.sum() / total.sum(), np.array([slope @ logits, slope.sum()]) / total.sum()

    bounds = [(_SMALLEST_SLOPE, None), (None, None)]
    fit = optimize.minimize(loss, [1.0, 0.0], jac=True, bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-9})
    return Platt(float(fit.x[0]), float(fit.x[1]))
