"""Chance and the Laplacian of Gaussian on micrographs whose particles are known, by independent counts."""

import numpy as np
import pytest

from tests.support.tiny_micrographs import config
from trainables.images.split import calibration_part, scored_part
from trainables.settings import Notice
from trainables.unet_selftrain import baselines
from trainables.unet_selftrain.config import Data
from trainables.unet_selftrain.data import load_split

DATA = Data(train_size=6, val_size=6, size=128, radius=6, label_share=1.0)


@pytest.fixture(scope="module")
def rows():
    return baselines.compute(config(), DATA)


def covered_share(part) -> float:
    """Share of the pixels within a radius of a particle."""
    shares = []
    for index in range(len(part)):
        height, width = part.images[index].shape
        y, x = np.mgrid[:height, :width]
        near = np.zeros((height, width), dtype=bool)
        for px, py in part.particles(index):
            near |= np.hypot(x - px, y - py) <= part.radius
        shares.append(near.mean())
    return float(np.mean(shares))


def test_random_probabilities_know_nothing_of_pixels(rows):
    scored = scored_part(load_split(config(), DATA, "val"))
    chance = rows["chance"]
    assert chance["val/pixel_auroc"] == pytest.approx(0.5, abs=0.01)
    assert chance["val/pixel_ap"] == pytest.approx(covered_share(scored), abs=0.02)
    # a pick hits where it lies within a radius of a particle, and most picks are spent on one already hit or none
    assert chance["val/particle_precision"] <= covered_share(scored) * 1.2


def test_the_laplacian_is_far_better_than_chance_on_dark_discs(rows):
    chance, laplacian = rows["chance"], rows["Laplacian of Gaussian"]
    assert laplacian["val/particle_ap"] > 2 * chance["val/particle_ap"]
    assert laplacian["val/particle_f1"] > chance["val/particle_f1"]
    assert not [key for key in laplacian if "pixel" in key]


def test_the_scored_micrographs_choose_no_threshold():
    val = load_split(config(), DATA, "val")
    calibration, scored = calibration_part(val), scored_part(val)
    numbers = {"sigma": 0.7, "spacing": 1.0, "sign": 1.0}
    by_calibration = baselines.score_picker(baselines.laplacian_of_gaussian, numbers, calibration, scored)
    itself = baselines.score_picker(baselines.laplacian_of_gaussian, numbers, scored, scored)
    assert by_calibration["particle_threshold"] != itself["particle_threshold"]
    assert by_calibration["particle_ap"] == itself["particle_ap"]  # needs no threshold
    fixed = baselines.score_picker(baselines.laplacian_of_gaussian, numbers, calibration, scored, threshold=0.0)
    assert fixed["particle_threshold"] == 0.0


def test_too_many_pixels_are_cut_to_micrographs_with_particles_and_that_is_told(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_TUNING_PIXELS", 3 * 128**2)
    train = load_split(config(), DATA, "train")
    with pytest.warns(Notice, match="tuned on 3 of 6 training micrographs"):
        selection = baselines.select_for_tuning(train)
    assert len(selection) == 3
    assert all(map(len, selection.known_particles))
