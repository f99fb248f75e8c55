"""Pixel metrics of probability maps from counts alone, so that memory does not grow with the number of pixels.

Probabilities are counted in equal bins, and everything here is a function of these counts: exact for probabilities
that are rounded down to a bin's edge. A threshold says yes from a bin's edge on. No figure is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

BINS = 1024  # a power of two, so that a bin's edges are exact in every floating-point format


class PixelScore(NamedTuple):
    """What a thresholded map is worth; where a share is 0 of 0, it is 0. The F1 of pixels is the hard Dice."""

    precision: float
    recall: float
    f1: float
    iou: float


class ScoreHistogram:
    """Counts of probabilities, apart for pixels of particles and others.

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
        index = np.minimum((values * bins).astype(np.int64), bins - 1)
        both = np.bincount(index + bins * positive, minlength=2 * bins)
        self.counts += both.reshape(2, bins)

    def __add__(self, other: ScoreHistogram) -> ScoreHistogram:
        total = ScoreHistogram(self.counts.shape[1])
        total.counts = self.counts + other.counts
        return total

    def auroc(self) -> float:
        """Probability that a particle's pixel outscores another, ties within a bin counting one half.

        Where either kind is missing, the figure is 0.5, what a constant score would get.

        Source: Fawcett 2006, An introduction to ROC analysis.
        """
        negatives, positives = self.counts.astype(np.float64)  # a product of int64 counts could overflow
        if not (negatives.any() and positives.any()):
            return 0.5
        outscored = np.cumsum(negatives) - negatives / 2
        return float(positives / positives.sum() @ (outscored / negatives.sum()))

    def average_precision(self) -> float:
        """Precision averaged over the steps of recall, not interpolated; 0 without positives."""
        true, predicted = self._from_each_edge()
        if not true[0]:
            return 0.0
        precision = true / np.maximum(predicted, 1)
        return float(self.counts[1] / true[0] @ precision)

    def choose_threshold(self) -> float:
        """The edge from which to say yes so that F1 over these pixels is largest; on a tie the lowest.

        The pixels must not be those that are scored with it afterwards. Without positives it is just above 1.
        """
        true, predicted = self._from_each_edge()
        if not true[0]:
            return float(np.nextafter(1.0, 2.0))
        return int(np.argmax(2 * true / (predicted + true[0]))) / len(true)

    def at(self, threshold: float) -> PixelScore:
        """The score of saying yes from a threshold on, rounded up to a bin's edge; beyond the last one, to none."""
        said = np.arange(self.counts.shape[1]) >= np.ceil(threshold * self.counts.shape[1])
        false, true = (int(row[said].sum()) for row in self.counts)
        missed = int(self.counts[1].sum()) - true
        return PixelScore(
            precision=true / max(true + false, 1),
            recall=true / max(true + missed, 1),
            f1=2 * true / max(2 * true + false + missed, 1),
            iou=true / max(true + false + missed, 1),
        )

    def _from_each_edge(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the pixels from each bin's edge on, the positives and all: int64 `[bins]` each."""
        cumulative = np.cumsum(self.counts[:, ::-1], axis=1)[:, ::-1]
        return cumulative[1], cumulative.sum(axis=0)


def pixel_dice(micrographs: Iterable[ScoreHistogram], threshold: float) -> float:
    """Mean over micrographs of the hard Dice at a threshold; those without particles have none, and 0 if none has."""
    each = [one.at(threshold).f1 for one in micrographs if one.counts[1].any()]
    return float(np.mean(each)) if each else 0.0
