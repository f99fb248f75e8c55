"""Chance by counting, and the ridge classifier of pixels, on noise_mask's images."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.tiny_noise import config
from trainables.noise_mask import baselines
from trainables.noise_mask.config import Data
from trainables.noise_mask.data import load_split

DATA = Data(train_size=60, val_size=30)


def test_random_classes_reach_one_in_k_by_a_simulation():
    val = load_split(config(), DATA, "val")
    chance, classes = baselines.score_chance(val), len(val.classes)
    rng = np.random.default_rng(1)
    recalls = []
    for _ in range(2000):
        guesses = rng.integers(0, classes, len(val))
        recalls.append(np.mean([(guesses[val.labels == label] == label).mean() for label in np.unique(val.labels)]))
    assert chance["accuracy_balanced_maskfree"] == pytest.approx(np.mean(recalls), abs=0.01)
    assert chance["nll_maskfree"] == pytest.approx(-np.log(1 / classes))


def test_classes_that_training_never_saw_are_not_scored():
    train, val = (load_split(config(), DATA, split) for split in ("train", "val"))
    lacking = train.select(train.labels != 0)
    restricted = val.score_as(lacking, "val")
    metrics = baselines.score_ridge(lacking, restricted)
    rest = val.select(val.labels != 0)
    assert metrics == baselines.score_ridge(lacking, replace(rest, trainable_classes=restricted.trainable_classes))


def test_masks_change_nothing_for_what_has_none():
    rows = baselines.compute(config(), DATA)
    for row in rows.values():
        assert row["val/accuracy_maskon"] == row["val/accuracy_maskfree"]
        assert row["val/accuracy_balanced_heated"] == row["val/accuracy_balanced_maskfree"]
