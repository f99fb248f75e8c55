"""Pixel metrics of probability maps from counts alone, so that memory does not grow with the number of pixels.

Probabilities are counted in equal bins, and everything here is a function of these counts: exact for probabilities
that are rounded down to a bin's edge. A threshold accepts from a bin's edge on. No metric is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

BINS = 1024  # a power of two, so that a bin's edges are exact in every floating-point format


class PixelScore(NamedTuple):
    """Metrics of a thresholded map; a share of 0 of 0 is 0. The F1 of pixels is the hard Dice."""

    precision: float
    recall: float
    f1: float
    iou: float


class ScoreHistogram:
    """Counts of probabilities, separate for pixels of particles and for all others.

    Attributes:
        counts: int64 `[2, bins]`: row 0 the negatives, row 1 the positives. Histograms add up, with `+` or, between
            processes, as arrays.
    """

    def __init__(self, bins: int = BINS) -> None:
        if bins < 1 or bins & (bins - 1):
            raise ValueError(f"bins={bins} is no power of two")
        self.counts = np.zeros((2, bins), dtype=np.int64)

    def add(self, probabilities: np.ndarray, truth: np.ndarray) -> None:
        """Count pixels.

        Args:
            probabilities: of any shape and floating-point type, in 0 to 1.
            truth: bool of the same shape, true for pixels of particles.

        Raises:
            ValueError: shapes that differ, or probabilities outside 0 to 1 or NaN.
        """
        if np.shape(probabilities) != np.shape(truth):
            raise ValueError(f"probabilities of shape {np.shape(probabilities)}, truth of {np.shape(truth)}")
        values, positive = np.ravel(probabilities), np.ravel(truth).astype(bool)
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            raise ValueError("probabilities are NaN or outside 0 to 1")
        bins = self.counts.shape[1]
        indices = np.minimum((values * bins).astype(np.int64), bins - 1)
        # positives are counted behind the negatives, so that one pass counts both
        self.counts += np.bincount(indices + bins * positive, minlength=2 * bins).reshape(2, bins)

    def __add__(self, histogram: ScoreHistogram) -> ScoreHistogram:
        total = ScoreHistogram(self.counts.shape[1])
        total.counts = self.counts + histogram.counts
        return total

    def auroc(self) -> float:
        """Compute the probability that a particle's pixel outscores another, ties within a bin counting one half.

        Where either kind is missing, it is 0.5, as for a constant score.

        Source: Fawcett 2006, An introduction to ROC analysis.
        """
        negatives, positives = self.counts.astype(np.float64)  # a product of int64 counts could overflow
        if not (negatives.any() and positives.any()):
            return 0.5
        lower_negatives = np.cumsum(negatives) - negatives / 2
        return float(positives / positives.sum() @ (lower_negatives / negatives.sum()))

    def average_precision(self) -> float:
        """Average precision over the steps of recall, not interpolated; 0 without positives."""
        true, total = self._counts_from_edges()
        if not true[0]:
            return 0.0
        precision = true / np.maximum(total, 1)
        return float(self.counts[1] / true[0] @ precision)

    def choose_threshold(self) -> float:
        """Choose the bin's edge from which to accept so that F1 over these pixels is largest; on a tie the lowest.

        The pixels must not be those that are scored with it afterwards. Without positives it is just above 1.
        """
        true, total = self._counts_from_edges()
        if not true[0]:
            return float(np.nextafter(1.0, 2.0))
        return int(np.argmax(2 * true / (total + true[0]))) / len(true)

    def score(self, threshold: float) -> PixelScore:
        """Score the pixels from a threshold on, rounded up to a bin's edge; beyond the last edge there are none."""
        accept = np.arange(self.counts.shape[1]) >= np.ceil(threshold * self.counts.shape[1])
        false, true = (int(row[accept].sum()) for row in self.counts)
        misses = int(self.counts[1].sum()) - true
        return PixelScore(
            precision=true / max(true + false, 1),
            recall=true / max(true + misses, 1),
            f1=2 * true / max(2 * true + false + misses, 1),
            iou=true / max(true + false + misses, 1),
        )

    def _counts_from_edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Count, from every bin's edge on, the positives and all pixels: int64 `[bins]` each."""
        cumulative = np.cumsum(self.counts[:, ::-1], axis=1)[:, ::-1]
        return cumulative[1], cumulative.sum(axis=0)


def mean_dice(histograms: Iterable[ScoreHistogram], threshold: float) -> float:
    """Average the hard Dice at a threshold over the micrographs that have particles; 0 where none has any."""
    dice = [histogram.score(threshold).f1 for histogram in histograms if histogram.counts[1].any()]
    return float(np.mean(dice)) if dice else 0.0
