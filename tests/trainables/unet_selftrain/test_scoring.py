"""From predictions to a trial's metrics, on maps whose metrics are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.support.tiny_micrographs import config
from trainables.unet_selftrain import scoring
from trainables.unet_selftrain.judging import pick_map
from trainables.unet_selftrain.scoring import Prediction
from trainables.unet_selftrain.split import Micrographs
from trainables.unet_selftrain.targets import discs

RADIUS, SIDE = 6.0, 96


def micrographs(count: int = 4, downsample: int = 1, groups: tuple[str, ...] | None = None) -> Micrographs:
    """Make micrographs with particles on a grid with some jitter, in pixels of the stored micrograph."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid([16, 48, 80], [16, 48, 80]), -1).reshape(-1, 2)
    points = [(grid + rng.uniform(-4, 4, grid.shape)).astype(np.float32) * downsample for _ in range(count)]
    return Micrographs(
        images=[np.full((SIDE, SIDE), 128, np.uint8) for _ in range(count)],
        names=[f"{index}.png" for index in range(count)],
        groups=list(groups or [""] * count),
        known_particles=points,
        hidden_particles=[np.zeros((0, 2), np.float32) for _ in range(count)],
        radius=RADIUS * downsample,
        downsample=downsample,
        calibration=np.zeros(count, bool),
    )


def predict_discs(split: Micrographs, index: int, centres: np.ndarray | None = None, level: float = 0.9) -> Prediction:
    """Predict as if the network marked discs around centres, by default the true ones."""
    centres = split.particles(index) if centres is None else centres
    mask = discs((SIDE, SIDE), split.downsample_points(centres), split.pixel_radius)
    return pick_map(np.where(mask, level, 0.02).astype(np.float32), split, index, config())


def evaluate(predictions: list[Prediction], calibration: list[Prediction]) -> dict[str, float]:
    return scoring.score(predictions, scoring.choose_thresholds(calibration))


@pytest.mark.parametrize("downsample", [1, 3])
def test_a_perfect_map_has_perfect_figures_in_stored_pixels(downsample):
    split = micrographs(downsample=downsample)
    predictions = [predict_discs(split, index) for index in range(4)]
    values = evaluate(predictions[:2], predictions[2:])
    for key in ("particle_ap", "particle_ap_half_radius", "particle_f1", "pixel_auroc", "pixel_f1", "pixel_dice"):
        assert values[key] == pytest.approx(1, abs=1e-6), key
    assert values["localisation_error_px"] < 0.6 * downsample  # of a disc drawn in whole pixels
    assert values["particles_picked"] == 18


def test_particles_that_are_missed_and_invented_count():
    split = micrographs()
    predictions = []
    for index in (0, 1):
        centres = split.particles(index)[:6]  # three of nine are missed
        predictions.append(predict_discs(split, index, np.concatenate([centres, [[32, 32], [64, 32]]])))
    values = evaluate(predictions, [predict_discs(split, 2)])
    assert values["particle_precision"] == pytest.approx(6 / 8)
    assert values["particle_recall"] == pytest.approx(6 / 9)
    assert values["particle_f1"] == pytest.approx(2 * 6 / (8 + 9))


def test_thresholds_come_from_the_calibration_micrographs_alone():
    split = micrographs()
    middle, weak, strong = (predict_discs(split, index, level=level) for index, level in enumerate((0.4, 0.3, 0.9)))
    low, high = evaluate([middle], [weak]), evaluate([middle], [strong])
    assert low["particle_threshold"] < high["particle_threshold"]
    assert low["particle_recall"] == 1
    assert high["particle_recall"] == 0  # nothing reaches the threshold of the others
    assert low["particle_ap"] == high["particle_ap"] == pytest.approx(1)


def test_a_shift_by_more_than_half_a_radius_shows_at_half_the_radius():
    split = micrographs()
    shifted = [predict_discs(split, index, split.particles(index) + np.array([0.7 * RADIUS, 0])) for index in (0, 1)]
    values = evaluate(shifted, [predict_discs(split, 2)])
    assert values["particle_ap"] == pytest.approx(1)
    assert values["particle_ap_half_radius"] == 0
    assert values["localisation_error_px"] == pytest.approx(0.7 * RADIUS, abs=0.6)


def test_folders_count_alike_where_there_are_several():
    split = micrographs(groups=("a", "a", "a", "b"))
    predictions = [predict_discs(split, index) for index in range(3)]
    predictions.append(predict_discs(split, 3, np.array([[32.0, 32.0]])))
    values = evaluate(predictions, [predict_discs(split, 0)])
    assert values["particle_ap_by_folder"] == pytest.approx(0.5)
    assert values["particle_ap"] > 0.6
    alone = dataclasses.replace(split, groups=["a"] * 4)
    assert "particle_ap_by_folder" not in evaluate([predict_discs(alone, 0)], [predict_discs(alone, 1)])
