"""Metrics of a classification against plain loops, and classes that no image has."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from trainables.noise_mask.scoring import calibration_error, classification_metrics


def draw_predictions(seed: int, number: int = 200, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, 0.4), number), rng.integers(0, classes, number)


def slow_calibration_error(confidences, correct) -> float:
    """Go through the bins `((m − 1)/15, m/15]`, one after the other."""
    total = 0.0
    for upper in range(1, 16):
        low, high = (upper - 1) / 15, upper / 15
        inside = [index for index, value in enumerate(confidences) if low < value <= high]
        if inside:
            accuracy = sum(bool(correct[index]) for index in inside) / len(inside)
            confidence = sum(confidences[index] for index in inside) / len(inside)
            total += len(inside) / len(confidences) * abs(accuracy - confidence)
    return total


def slow_macro(predictions, labels) -> tuple[float, float]:
    """Average recall and F1 over the classes of the labels."""
    recalls, scores = [], []
    for label in sorted(set(labels.tolist())):
        hits = sum(1 for a, b in zip(predictions, labels, strict=True) if a == b == label)
        positives, predicted = int((labels == label).sum()), int((predictions == label).sum())
        recalls.append(hits / positives)
        scores.append(2 * hits / (positives + predicted))
    return sum(recalls) / len(recalls), sum(scores) / len(scores)


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_those_of_loops(seed):
    probabilities, labels = draw_predictions(seed)
    metrics, predictions = classification_metrics(probabilities, labels), probabilities.argmax(axis=1)
    recall, f1 = slow_macro(predictions, labels)
    assert metrics["accuracy"] == pytest.approx(sum(map(int, predictions == labels)) / 200)
    assert metrics["accuracy_balanced"] == pytest.approx(recall)
    assert metrics["accuracy_balanced"] == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert metrics["f1_macro"] == pytest.approx(f1)
    assert metrics["ece"] == pytest.approx(slow_calibration_error(probabilities.max(axis=1), predictions == labels))
    losses = [-math.log(probabilities[row, label]) for row, label in enumerate(labels)]
    assert metrics["nll"] == pytest.approx(sum(losses) / 200)
    assert all(isinstance(value, float) for value in metrics.values())


def test_classes_that_no_label_has_are_left_out_without_a_word():
    probabilities, labels = draw_predictions(1)
    labels = np.where(labels >= 3, 0, labels)  # but 3 and 4 are predicted
    predictions = probabilities.argmax(axis=1)
    assert {3, 4} <= set(predictions.tolist())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = classification_metrics(probabilities, labels)
    recall, f1 = slow_macro(predictions, labels)
    assert (metrics["accuracy_balanced"], metrics["f1_macro"]) == pytest.approx((recall, f1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert metrics["accuracy_balanced"] == pytest.approx(balanced_accuracy_score(labels, predictions))


def test_one_class_alone_and_one_image_alone_have_figures():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = classification_metrics(np.array([[0.25, 0.75]]), np.array([0]))
    assert metrics == pytest.approx(
        {"accuracy": 0.0, "accuracy_balanced": 0.0, "f1_macro": 0.0, "ece": 0.75, "nll": math.log(4)}
    )


def test_balanced_accuracy_of_guessing_the_largest_class_is_that_of_chance():
    labels = np.repeat([0, 1, 2], [80, 15, 5])
    metrics = classification_metrics(np.tile([0.5, 0.3, 0.2], (100, 1)), labels)
    assert metrics["accuracy"] == pytest.approx(0.8)
    assert metrics["accuracy_balanced"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("upper", range(1, 16))
def test_a_confidence_at_a_border_belongs_to_the_bin_that_ends_with_it(upper):
    """Right with the lower neighbour wrong in one bin cancel; right in one and wrong in the next do not."""
    border = upper / 15
    below, above = np.nextafter(border, 0), np.nextafter(border, 2)
    together = abs(1 - 2 * border) / 2
    assert calibration_error(np.array([below, border]), np.array([True, False])) == pytest.approx(together)
    if upper < 15:
        apart = ((1 - border) + border) / 2
        assert calibration_error(np.array([border, above]), np.array([True, False])) == pytest.approx(apart)


def test_a_calibrated_classifier_has_no_error_and_a_boastful_one_has_what_it_adds():
    correct = np.repeat([True, False], [60, 40])
    assert calibration_error(np.full(100, 0.6), correct) == pytest.approx(0.0)
    assert calibration_error(np.full(100, 0.9), correct) == pytest.approx(0.3)


def test_a_true_class_of_probability_zero_costs_much_but_not_infinitely_much():
    metrics = classification_metrics(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    assert metrics["nll"] == pytest.approx(708.396 / 2, abs=0.01)
    assert all(math.isfinite(value) for value in metrics.values())
