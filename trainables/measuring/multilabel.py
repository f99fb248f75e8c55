"""Metrics of multi-label classification on arrays `[N, K]`: N examples, K classes, computed by scikit-learn.

What is added here is which classes count. A class without positives has no AUROC, average precision or F1, and
counting it as 0 or NaN would make the mean a statement about the split: it is left out, and the number of classes is
part of every result. No result is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class MetricAverages(NamedTuple):
    """A metric over classes.

    Attributes:
        macro: unweighted mean over the classes that have the metric.
        micro: over all `N × K` decisions taken together.
        classes: how many classes `macro` is the mean of.
    """

    macro: float
    micro: float
    classes: int


def auroc(labels: np.ndarray, scores: np.ndarray) -> MetricAverages:
    """Compute the area under the ROC curve: the probability that a positive outscores a negative; ties count half.

    Macro averages over the classes with at least one positive and one negative. Where there is none it is 0.5, as for a
    constant score.

    Args:
        labels: `[N, K]`, 0 or 1.
        scores: `[N, K]`, any scale; only their order within a class matters to macro.

    Raises:
        ValueError: scores that are not finite.

    Source: Fawcett 2006, An introduction to ROC analysis.
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  (its import takes seconds; settings need none)

    columns = _columns(labels, negatives=True)
    areas = [roc_auc_score(labels[:, column], scores[:, column]) for column in columns]
    has_both = 0 < labels.sum() < labels.size
    micro = float(roc_auc_score(labels.ravel(), scores.ravel())) if has_both else 0.5
    return MetricAverages(_mean(areas, empty=0.5), micro, len(columns))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> MetricAverages:
    """Average precision over the steps of recall, not interpolated; chance level is the share of positives.

    Macro averages over the classes with at least one positive. Where there is none it is 0.

    Args:
        labels: `[N, K]`, 0 or 1.
        scores: `[N, K]`, any scale.

    Raises:
        ValueError: scores that are not finite.

    Source: Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, section 8.4.
    """
    from sklearn.metrics import average_precision_score  # noqa: PLC0415

    columns = _columns(labels)
    precisions = [average_precision_score(labels[:, column], scores[:, column]) for column in columns]
    micro = float(average_precision_score(labels.ravel(), scores.ravel())) if len(columns) else 0.0
    return MetricAverages(_mean(precisions, empty=0.0), micro, len(columns))


def choose_thresholds(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Choose per class the threshold with the largest F1 on these rows; of equal ones the lowest.

    The rows must not be scored with the thresholds afterwards. A class without positives here gets a threshold just
    above all its scores, so that it is never predicted.

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


def f1(labels: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> MetricAverages:
    """Compute F1 of predicting a class where its score is at least its threshold.

    Macro averages over the classes with at least one positive. Where there is none it is 0.

    Args:
        labels: `[N, K]`, 0 or 1.
        scores: `[N, K]`, on the scale of the thresholds.
        thresholds: `[K]`, from `choose_thresholds` on other rows.

    Source: van Rijsbergen 1979, Information Retrieval, chapter 7.
    """
    from sklearn.metrics import f1_score  # noqa: PLC0415

    columns = _columns(labels)
    predictions = (scores >= thresholds).astype(int)
    values = [f1_score(labels[:, column], predictions[:, column]) for column in columns]
    micro = float(f1_score(labels.ravel(), predictions.ravel())) if len(columns) else 0.0
    return MetricAverages(_mean(values, empty=0.0), micro, len(columns))


def _columns(labels: np.ndarray, *, negatives: bool = False) -> np.ndarray:
    """List the classes with a positive, and with `negatives` only those with a negative too."""
    positives = labels.sum(axis=0)
    return np.flatnonzero((positives > 0) & ((positives < len(labels)) | (not negatives)))


def _mean(values: list[float], *, empty: float) -> float:
    return float(np.mean(values)) if values else empty
