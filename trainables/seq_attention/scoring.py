"""From predictions and roll-outs to the metrics that a trial reports.

Distances are in pixels of the image as stored, and within a radius means nearer than it. A share of 0 of 0 is 0, and so
is the mean error of no prediction: no metric is NaN as long as the predictions are finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainables.measuring import multilabel
from trainables.measuring.calibration import apply_platt
from trainables.measuring.matching import match_in_order, pairs_within
from trainables.seq_attention.letterbox import normalise
from trainables.seq_attention.pairs import PairPredictions, Pairs
from trainables.seq_attention.rollout import Rollout
from trainables.seq_attention.thresholds import Thresholds, done_scaling, done_threshold, rollout_threshold

HALF = 0.5
"""Done signal from which done is more likely than not, as training balances it."""

SAME_POINT = 1e-6
"""Normalised distance below which points are equal, up to rounding."""


class Predictions(NamedTuple):
    """The predictions of a split, with the truth.

    Attributes:
        pairs: all enumerated pairs.
        pair_predictions: of the pairs.
        sizes: `[images, 2]`, width and height of the images that `pairs.image` names.
        rollouts: of some of the images.
        objects: of each roll-out the objects `[n, 2]` in its image.
    """

    pairs: Pairs
    pair_predictions: PairPredictions
    sizes: np.ndarray
    rollouts: Sequence[Rollout]
    objects: Sequence[np.ndarray]


class Scale(NamedTuple):
    """The yardstick of predictions.

    Attributes:
        radius: a prediction within it of an object is a hit, in pixels.
        spacing: usual distance of an object to its nearest neighbour in pixels (`Scenes.spacing`); 0: there is none.
        thresholds: of the done signal, chosen on other images.
        limit: of visits in a roll-out.
    """

    radius: float
    spacing: float
    thresholds: Thresholds
    limit: int


def choose_thresholds(calibration: Predictions, radius: float) -> Thresholds:
    """Choose thresholds and scaling of the done signal on the predictions of calibration images.

    Args:
        calibration: roll-outs are run to the limit; other images are scored.
        radius: within which a visit takes an object.
    """
    pairs, predictions = calibration.pairs, calibration.pair_predictions
    return Thresholds(
        done_threshold(pairs, predictions),
        rollout_threshold(calibration.rollouts, calibration.objects, radius),
        done_scaling(pairs, predictions),
    )


def score(predictions: Predictions, scale: Scale) -> dict[str, float]:
    """Score the predictions of a split; all keys, whatever the predictions (`docs/variants/seq_attention.md`).

    Args:
        predictions: their roll-outs ran at least until `scale.thresholds.rollout`.
        scale: radius, spacing, limit, and thresholds that were chosen on other images.
    """
    rollouts, truths = predictions.rollouts, predictions.objects
    counts = np.array([rollout.count(scale.thresholds.rollout) for rollout in rollouts], dtype=np.int64)
    visits = [rollout.points[:count] for rollout, count in zip(rollouts, counts, strict=True)]
    return {
        **_score_location(predictions, scale),
        **_score_done(predictions.pairs, predictions.pair_predictions, scale.thresholds),
        **_score_counts(counts, np.array([len(objects) for objects in truths], dtype=np.int64), scale),
        **_score_visits(visits, truths, scale.radius),
    }


def _score_location(predictions: Predictions, scale: Scale) -> dict[str, float]:
    """Score the pairs that have a next object."""
    pairs = predictions.pairs
    undone = np.flatnonzero(~pairs.done)
    points = predictions.pair_predictions.points[undone]
    candidates = [pairs.unmarked_objects(pair) for pair in undone.tolist()]
    truth = np.array([objects[0] for objects in candidates], dtype=np.float64).reshape(-1, 2)
    error = np.hypot(*(points - truth).T)
    nearest = np.array(
        [np.hypot(*(objects - point).T).min() for objects, point in zip(candidates, points, strict=True)]
    )
    hit, any_hit = _mean(error < scale.radius), _mean(nearest < scale.radius)
    median = float(np.median(error)) if len(error) else 0.0
    return {
        "pixel_error_median_px": median,
        "pixel_error_mean_px": _mean(error),
        "pixel_error_p90_px": float(np.quantile(error, 0.9)) if len(error) else 0.0,
        "pixel_error_spacing": median / scale.spacing if scale.spacing else 0.0,
        "hit": hit,
        "hit_any": any_hit,
        "hit_half_spacing": _mean(error < scale.spacing / 2),
        "hit_any_half_spacing": _mean(nearest < scale.spacing / 2),
        "order_gap": any_hit - hit,
        "prediction_spread": _relative_spread(points, truth, predictions.sizes[pairs.image[undone]]),
    }


def _relative_spread(points: np.ndarray, truth: np.ndarray, sizes: np.ndarray) -> float:
    """Divide the spread of the predictions by that of the objects; 1 where all objects are at one point."""
    spreads = [
        np.sqrt(np.square(cloud - cloud.mean(axis=0)).sum(axis=1).mean()) if len(cloud) else 0.0
        for cloud in (normalise(points, sizes), normalise(truth, sizes))
    ]
    return float(spreads[0] / spreads[1]) if spreads[1] > SAME_POINT else 1.0


def _score_done(pairs: Pairs, predictions: PairPredictions, thresholds: Thresholds) -> dict[str, float]:
    done, signal = pairs.done, predictions.done
    border = pairs.k >= pairs.count - 1
    positive = signal >= thresholds.done
    precision, recall = _mean(done[positive]), _mean(positive[done])
    return {
        "done_ap": _average_precision(done, signal),
        "done_prevalence": _mean(done),
        "done_ap_border": _average_precision(done[border], signal[border]),
        "done_prevalence_border": _mean(done[border]),
        "done_f1": _harmonic_mean(precision, recall),
        "done_precision": precision,
        "done_recall": recall,
        "done_threshold": thresholds.done,
        "done_brier": float(np.average(np.square(apply_platt(signal, thresholds.platt) - done), weights=pairs.weight)),
        "done_at_half": _mean(signal[done] >= HALF),
        "done_not_wanted": _mean(signal[~done] >= HALF),
        "done_stops": _mean(signal[done] >= thresholds.rollout),
    }


def _average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    return multilabel.average_precision(labels[:, None], scores[:, None]).micro


def _score_counts(counts: np.ndarray, truth: np.ndarray, scale: Scale) -> dict[str, float]:
    """Score the counts of roll-outs `[images]` against the true ones."""
    error = counts - truth
    return {
        "count_error": _mean(np.abs(error)),
        "count_rmse": float(np.sqrt(_mean(np.square(error)))),
        "count_bias": _mean(error),
        "count_score": _mean(1 - np.minimum(1, np.abs(error) / np.maximum(truth, 1))),
        "rollout_threshold": scale.thresholds.rollout,
        "rollout_endless": _mean(counts >= scale.limit),  # a signal that fires stops before the visit
        "rollout_empty": _mean(counts[truth > 0] == 0),
    }


def _score_visits(visits: Sequence[np.ndarray], truths: Sequence[np.ndarray], radius: float) -> dict[str, float]:
    """Score the visits of roll-outs, summed over images; each visit takes an object in turn."""
    hits = duplicates = 0
    for points, objects in zip(visits, truths, strict=True):
        hit = match_in_order(points, objects, radius) >= 0
        near = np.zeros(len(points), dtype=bool)
        near[pairs_within(points, objects, radius)[0]] = True
        hits += int(hit.sum())
        duplicates += int((near & ~hit).sum())  # earlier visits had taken all objects within reach
    visit_count, object_count = sum(map(len, visits)), sum(map(len, truths))
    return {
        "rollout_precision": hits / max(visit_count, 1),
        "rollout_recall": hits / max(object_count, 1),
        "rollout_f1": 2 * hits / max(visit_count + object_count, 1),
        "rollout_duplicates": duplicates / max(visit_count, 1),
    }


def _mean(values: np.ndarray) -> float:
    """Return the mean; 0 of no values."""
    return float(values.mean()) if len(values) else 0.0


def _harmonic_mean(first: float, second: float) -> float:
    return 2 * first * second / (first + second) if first + second else 0.0
