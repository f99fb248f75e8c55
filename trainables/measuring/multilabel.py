"""Metrics of multi-label classification on arrays `[N, K]`: N examples, K classes, computed by scikit-learn.

What is added here is which classes count. A class without positives has no AUROC, average precision or F1,
and to count it as 0 or NaN would make the mean a statement about the split; it is left out, and the number of
classes used is part of every result. No result is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Averaged(NamedTuple):
    """A metric over classes.

    Attributes:
        macro: unweighted mean over the classes that have the metric.
        micro: over all `N × K` decisions taken together.
        classes: how many classes `macro` is the mean of.
    """

    macro: float
    micro: float
    classes: int


def auroc(labels: np.ndarray, scores: np.ndarray) -> Averaged:
    """Area under the ROC curve: the probability that a positive outscores a negative, ties counting one half.

    Macro takes the classes with at least one positive and one negative. Where there is none, the figure is
    0.5, what a constant score would get.

    Args:
        labels: `[N, K]`, 0 or 1.
        scores: `[N, K]`, any scale; only their order within a class matters to macro.

    Raises:
        ValueError: scores that are not finite.

    Source: Fawcett 2006, An introduction to ROC analysis.
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  (its import takes seconds; settings need none)

    used = _columns(labels, negatives=True)
    each = [roc_auc_score(labels[:, column], scores[:, column]) for column in used]
    mixed = 0 < labels.sum() < labels.size
    micro = float(roc_auc_score(labels.ravel(), scores.ravel())) if mixed else 0.5
    return Averaged(_mean(each, empty=0.5), micro, len(used))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> Averaged:
    """Precision averaged over the steps of recall, not interpolated; chance level is the share of positives.

    Macro takes the classes with at least one positive. Where there is none, the figure is 0.

    Args:
        labels: `[N, K]`, 0 or 1.
        scores: `[N, K]`, any scale.

    Raises:
        ValueError: scores that are not finite.

    Source: Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, section 8.4.
    """
    from sklearn.metrics import average_precision_score  # noqa: PLC0415

    used = _columns(labels)
    each = [average_precision_score(labels[:, column], scores[:, column]) for column in used]
    micro = float(average_precision_score(labels.ravel(), scores.ravel())) if len(used) else 0.0
    return Averaged(_mean(each, empty=0.0), micro, len(used))


def choose_thresholds(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Per class, the score from which to say yes so that F1 is largest on these rows; on a tie the lowest.

    The rows must not be those that are scored with the thresholds afterwards. A class without positives here
    gets a threshold just above all its scores, so that it is never said to be present.

    Args:
        labels: `[N, K]`, 0 or 1; N ≥ 1.
        scores: `[N, K]`, any scale.

    Returns:
        float64 `[K]`, finite.

    Raises:
        ValueError: scores that are not finite.
    """
    from sklearn.metrics import precision_recall_curve  # noqa: PLC0415

    thresholds = np.nextafter(scores.max(axis=0).astype(np.float64), np.inf)
    for column in _columns(labels):
        precision, recall, candidates = precision_recall_curve(labels[:, column], scores[:, column])
        harmonic = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
        thresholds[column] = candidates[np.argmax(harmonic[:-1])]  # the last point has no threshold
    return thresholds


def f1(labels: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> Averaged:
    """F1 of saying yes where the score is at least the class's threshold.

    Macro takes the classes with at least one positive. Where there is none, the figure is 0.

    Args:
        labels: `[N, K]`, 0 or 1.
        scores: `[N, K]`, on the scale of the thresholds.
        thresholds: `[K]`, from `choose_thresholds` on other rows.

    Source: van Rijsbergen 1979, Information Retrieval, chapter 7.
    """
    from sklearn.metrics import f1_score  # noqa: PLC0415

    used = _columns(labels)
    said = (scores >= thresholds).astype(int)
    each = [f1_score(labels[:, column], said[:, column]) for column in used]
    micro = float(f1_score(labels.ravel(), said.ravel())) if len(used) else 0.0
    return Averaged(_mean(each, empty=0.0), micro, len(used))


def _columns(labels: np.ndarray, *, negatives: bool = False) -> np.ndarray:
    """The classes with a positive, and with a negative where that is asked for."""
    positives = labels.sum(axis=0)
    return np.flatnonzero((positives > 0) & ((positives < len(labels)) | (not negatives)))


def _mean(values: list[float], *, empty: float) -> float:
    return float(np.mean(values)) if values else empty
