"""The mean position, the commonest count, chance and blobs, on scenes whose objects are known."""

import numpy as np
import pytest

from tests.support.tiny_scenes import DATA, config
from trainables.images.split import scored_part
from trainables.seq_attention import baselines
from trainables.seq_attention.config import Data
from trainables.seq_attention.data import load_split
from trainables.seq_attention.split import select_evenly

SETTINGS = Data(**{**DATA, "val_size": 16, "train_size": 40})


@pytest.fixture(scope="module")
def rows():
    return baselines.compute(config(), SETTINGS)


def test_the_most_common_count_errs_by_its_distance_from_the_true_ones(rows):
    train, val = load_split(config(), SETTINGS, "train"), scored_part(load_split(config(), SETTINGS, "val"))
    counts = train.counts.tolist()
    commonest = min(sorted(set(counts)), key=lambda count: -counts.count(count))
    truth = select_evenly(val, SETTINGS.rollout_images).counts
    row = rows["most common count"]
    assert row["val/count_error"] == pytest.approx(np.abs(truth - commonest).mean())
    assert row["val/count_bias"] == pytest.approx((commonest - truth).mean())
    assert set(row) == {f"val/count_{name}" for name in ("error", "rmse", "bias", "score")}


def test_random_points_hit_as_often_as_a_radius_covers_the_image(rows):
    val = scored_part(load_split(config(), SETTINGS, "val"))
    disc_share = np.mean(np.pi * SETTINGS.radius**2 / np.prod(val.sizes, axis=1))
    assert rows["chance"]["val/hit"] == pytest.approx(disc_share, abs=0.02)
    assert rows["chance"]["val/done_at_half"] == pytest.approx(0.5, abs=0.1)


def test_one_point_for_all_images_has_no_spread_of_its_own_and_blobs_find_the_discs(rows):
    assert rows["mean position"]["val/prediction_spread"] < 0.3
    assert rows["blobs (Laplacian of Gaussian)"]["val/rollout_f1"] > 0.7
    assert rows["blobs (Laplacian of Gaussian)"]["val/rollout_f1"] > rows["chance"]["val/rollout_f1"]
