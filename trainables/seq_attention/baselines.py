"""What chance and methods without a network reach on seq_attention's scored validation images.

Chance visits random places, as many as some training image has objects. The mean position is the same place everywhere.
The thresholds of all done signals are chosen on validation's calibration images, like a network's.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from trainables.baselines import CHANCE, average_draws
from trainables.images.split import calibration_part, scored_part
from trainables.seq_attention.blobs import TUNING_IMAGES, Blobs
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import count_objects, load_split
from trainables.seq_attention.judging import Judge, LocatorFactory, rollout_limit
from trainables.seq_attention.pairs import Locator, PairPredictions, Pairs, enumerate_pairs
from trainables.seq_attention.rollout import Rollout
from trainables.seq_attention.scoring import Predictions, Scale, choose_thresholds, score
from trainables.seq_attention.split import Scenes, select_evenly
from trainables.settings import Notice

MEAN, COUNT, BLOBS = "mean position", "most common count", "blobs (Laplacian of Gaussian)"
MAX_TUNING_PIXELS = 1_000_000
"""Pixels of the training images on which blobs are tuned at most: 27 of 192 × 192."""

_OF_THRESHOLDS = ("done_threshold", "rollout_threshold", "done_prevalence", "done_prevalence_border")


def compute(config: Config, data: Data) -> dict[str, dict[str, float]]:
    """Compute the rows on the scored part of validation; blobs are visited, and marked, in nearest-neighbour order."""
    train, val = load_split(config, data, "train"), load_split(config, data, "val")
    calibration, evaluation = calibration_part(val), scored_part(val)
    limit = rollout_limit(count_objects(data, "train"))
    judge, nearest = Judge(data, config.order, limit), Judge(data, "nearest", limit)
    mean = MeanPosition(train, enumerate_pairs(train, config.order, data.row_height))
    rows = {
        CHANCE: score_chance(judge, train, calibration, evaluation),
        MEAN: score_locator(judge, mean, calibration, evaluation),
        COUNT: score_count(judge, train, calibration, evaluation),
        BLOBS: score_locator(nearest, Blobs.tune(train, _count_for_tuning(train)), calibration, evaluation),
    }
    return {
        name: {f"val/{key}": value for key, value in row.items() if key not in _OF_THRESHOLDS}
        for name, row in rows.items()
    }


def _count_for_tuning(train: Scenes) -> int:
    """Return how many training images blobs are tuned on, and tell where these are not all."""
    count = max(1, min(TUNING_IMAGES, MAX_TUNING_PIXELS // train.images.shape[1] ** 2))
    if count < len(train):
        warnings.warn(f"blobs are tuned on {count} of {len(train):,} training images.", Notice, stacklevel=2)
    return count


class MeanPosition:
    """Always predicts the mean position of the next object in training, as a share of the image's sides.

    Its done signal does not depend on the image: the share of training images with no more than k objects, so that it
    counts the same number everywhere.
    """

    def __init__(self, train: Scenes, pairs: Pairs) -> None:
        undone = np.flatnonzero(~pairs.done)
        next_objects = np.array([pairs.unmarked_objects(pair)[0] for pair in undone.tolist()])
        self.share = (next_objects / train.sizes[pairs.image[undone]]).mean(axis=0)
        self.counts = np.sort(train.counts)

    def __call__(self, scenes: Scenes) -> Locator:
        """Return a locator in these images."""

        def locate(indices: Sequence[int], marks: Sequence[np.ndarray]) -> PairPredictions:
            k = np.array([len(points) for points in marks])
            done = np.searchsorted(self.counts, k, side="right") / len(self.counts)
            return PairPredictions(self.share * scenes.sizes[list(indices)], done)

        return locate


def score_locator(judge: Judge, locators: LocatorFactory, calibration: Scenes, evaluation: Scenes) -> dict[str, float]:
    """Score a locator on some images as a network is, with thresholds from calibration images."""
    radius = judge.data.radius
    thresholds = choose_thresholds(judge.predict(locators, calibration), radius)
    predictions = judge.predict(locators, evaluation, thresholds.rollout)
    return score(predictions, Scale(radius, evaluation.spacing(), thresholds, judge.limit))


def score_chance(judge: Judge, train: Scenes, calibration: Scenes, evaluation: Scenes) -> dict[str, float]:
    """Score random places and done signals, and roll-outs of as many visits as a random training image has objects."""

    def draw(generator: np.random.Generator) -> dict[str, float]:
        parts = [_draw_predictions(judge, train.counts, scenes, generator) for scenes in (calibration, evaluation)]
        return _score_predictions(judge, parts[0], parts[1], evaluation)

    return average_draws(draw)


def score_count(judge: Judge, train: Scenes, calibration: Scenes, evaluation: Scenes) -> dict[str, float]:
    """Score the count that most training images have, the lowest of several, as that of every image."""
    count = int(np.bincount(train.counts).argmax())

    def predict(scenes: Scenes) -> Predictions:
        pairs, sample = enumerate_pairs(scenes, judge.order, judge.data.row_height), _sample(judge, scenes)
        nowhere = PairPredictions(np.zeros((len(pairs), 2)), np.zeros(len(pairs)))
        rollouts = [_end_after(np.zeros((count, 2))) for _ in range(len(sample))]
        return Predictions(pairs, nowhere, scenes.sizes, rollouts, sample.points)

    metrics = _score_predictions(judge, predict(calibration), predict(evaluation), evaluation)
    return {name: metrics[name] for name in ("count_error", "count_rmse", "count_bias", "count_score")}


def _draw_predictions(judge: Judge, counts: np.ndarray, scenes: Scenes, generator: np.random.Generator) -> Predictions:
    pairs, sample = enumerate_pairs(scenes, judge.order, judge.data.row_height), _sample(judge, scenes)
    points = generator.random((len(pairs), 2)) * scenes.sizes[pairs.image]
    visits = [
        generator.random((count, 2)) * size
        for count, size in zip(generator.choice(counts, len(sample)), sample.sizes, strict=True)
    ]
    predictions = PairPredictions(points, generator.random(len(pairs)))
    return Predictions(pairs, predictions, scenes.sizes, list(map(_end_after, visits)), sample.points)


def _score_predictions(
    judge: Judge, calibration: Predictions, predictions: Predictions, evaluation: Scenes
) -> dict[str, float]:
    radius = judge.data.radius
    # the roll-outs end where they should, which is no choice of the calibration images
    thresholds = choose_thresholds(calibration, radius)._replace(rollout=0.5)
    return score(predictions, Scale(radius, evaluation.spacing(), thresholds, judge.limit))


def _sample(judge: Judge, scenes: Scenes) -> Scenes:
    """Select the images that have a roll-out."""
    return select_evenly(scenes, judge.data.rollout_images)


def _end_after(points: np.ndarray) -> Rollout:
    """Make a roll-out whose signal fires after the visits `[n, 2]`."""
    return Rollout(points, np.append(np.zeros(len(points)), 1.0))
