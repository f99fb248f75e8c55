"""From predictions of a split to the metrics that a trial reports."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BINS = 15


class Predictions(NamedTuple):
    """Probabilities of the classes, float64 `[N, K]`, of all images of a split.

    Attributes:
        maskfree: without masks; after an epoch under masks, those of a copy that is fine-tuned for `probe_steps` steps.
        without_probe: without masks, of the classifier with nothing but its batch norms measured without masks.
        maskon: under masks; as `maskfree` where training has none.
    """

    maskfree: np.ndarray
    without_probe: np.ndarray
    maskon: np.ndarray

    def select(self, mask: np.ndarray) -> Predictions:
        """Return the predictions for some of the images, by bool `[N]`."""
        return Predictions(*(probabilities[mask] for probabilities in self))


def score(predictions: Predictions, labels: np.ndarray) -> dict[str, float]:
    """Score the predictions of a split, without masks and under them.

    Args:
        predictions: of all images of the split.
        labels: int64 `[N]`.
    """
    maskfree, without_probe, maskon = (classification_metrics(probabilities, labels) for probabilities in predictions)
    return {
        **{f"{name}_maskfree": value for name, value in maskfree.items()},
        "accuracy_balanced_heated": without_probe["accuracy_balanced"],
        **{f"{name}_maskon": maskon[name] for name in ("accuracy", "accuracy_balanced")},
    }


def classification_metrics(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Score N images whose classes are known; no metric is NaN or infinite.

    A class that no image has is not averaged over, or the metrics would be a statement about the split. To predict such
    a class counts as an error all the same.

    Args:
        probabilities: float64 `[N, K]`, N ≥ 1; rows sum to 1. On a tie the first class is the prediction.
        labels: int64 `[N]`, from 0 to K − 1.

    Returns:
        accuracy; accuracy_balanced, the mean of the classes' recalls; f1_macro, the mean of their F1; ece, see
        `calibration_error`; nll, the mean negative log-probability of the true class in nats.
    """
    from sklearn.metrics import f1_score, recall_score  # noqa: PLC0415  (its import takes seconds)

    predictions, present = probabilities.argmax(axis=1), np.unique(labels)
    # as sklearn's balanced_accuracy_score, which warns of predictions of a class that no label has
    recall = recall_score(labels, predictions, labels=present, average="macro", zero_division=0.0)
    f1 = f1_score(labels, predictions, labels=present, average="macro", zero_division=0.0)
    return {
        "accuracy": float((predictions == labels).mean()),
        "accuracy_balanced": float(recall),
        "f1_macro": float(f1),
        "ece": calibration_error(probabilities.max(axis=1), predictions == labels),
        "nll": _cross_entropy(probabilities, labels),
    }


def calibration_error(confidences: np.ndarray, correct: np.ndarray) -> float:
    """Compute the expected calibration error, 0 to 1: mean distance of accuracy from confidence, by bins of confidence.

    There are 15 bins of one width; one that ends with a value holds it, and the next one does not.

    Args:
        confidences: `[N]`, the prediction's probability.
        correct: bool `[N]`, whether it is true.

    Source: Guo et al. 2017, On calibration of modern neural networks, equation 3.
    """
    borders = np.arange(1, BINS) / BINS
    bins = np.searchsorted(borders, confidences, side="left")
    # |sum of (correct − confidence)| of a bin is its images times |accuracy − mean confidence|
    gaps = np.bincount(bins, weights=correct - confidences, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidences))


def _cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Average −log of the true class's probability, of which 0 counts as the least number above it, 708 nats."""
    true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, np.finfo(np.float64).tiny)).mean())
