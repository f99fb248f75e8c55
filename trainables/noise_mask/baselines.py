"""What chance and a ridge classifier of the pixels reach on noise_mask's validation split."""

from __future__ import annotations

import math

import numpy as np

from trainables.baselines import CHANCE, average_draws
from trainables.images import pixel_ridge
from trainables.noise_mask import scoring
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.data import load_split
from trainables.noise_mask.split import ClassImages

RIDGE = "ridge on 32 × 32 pixels"
_NEEDS_PROBABILITIES = ("ece_maskfree", "nll_maskfree")


def compute(config: Config, data: Data) -> dict[str, dict[str, float]]:
    """Compute the rows on validation; neither has masks, so that metrics under masks are those without."""
    train, val = load_split(config, data, "train"), load_split(config, data, "val")
    rows = {CHANCE: score_chance(val), RIDGE: score_ridge(train, val)}
    return {name: {f"val/{key}": value for key, value in row.items()} for name, row in rows.items()}


def score_chance(split: ClassImages) -> dict[str, float]:
    """Score classes drawn at random, all alike; what that comes to on average is exact but for F1.

    A constant class has the same balanced accuracy, and knowing how frequent each class is does not help it either.
    """
    classes = len(split.classes)

    def draw(generator: np.random.Generator) -> dict[str, float]:
        return _score(generator.random((len(split), classes)), split)

    row = average_draws(draw)
    share = dict.fromkeys((name for name in row if name.startswith("accuracy")), 1 / classes)
    return {**row, **share, "nll_maskfree": math.log(classes)}  # of equal probabilities


def score_ridge(train: ClassImages, split: ClassImages) -> dict[str, float]:
    """Score a ridge classifier of thumbnails."""
    targets = 2.0 * (train.labels[:, None] == np.arange(len(train.classes))) - 1
    return _score(pixel_ridge.predict_scores(train, targets, split, own_penalties=False), split)


def _score(scores: np.ndarray, split: ClassImages) -> dict[str, float]:
    """Score predictions by the order of their scores `[N, K]`, which are no probabilities; as a trial is scored."""
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predictions, mask = scoring.Predictions(probabilities, probabilities, probabilities), split.scored_images
    metrics = scoring.score(predictions.select(mask), split.labels[mask])
    return {name: value for name, value in metrics.items() if name not in _NEEDS_PROBABILITIES}
