"""How a micrograph is downsampled: its pixels and its points."""

import numpy as np
import pytest

from trainables.unet_selftrain.downsampling import CLIP, downsample_points, restore_points, standardise, z_score


def disc(size: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (np.hypot(x - centre[0], y - centre[1]) <= radius).astype(float)


# pixels


def test_blocks_are_averaged_and_the_remainder_is_left_out():
    values = np.random.default_rng(0).normal(size=(11, 13))
    expected = np.array([[values[3 * y : 3 * y + 3, 3 * x : 3 * x + 3].mean() for x in range(4)] for y in range(3)])
    scores = z_score(standardise(values, 3))
    assert scores.shape == (3, 4)
    bulk = expected.clip(*np.percentile(expected, [0.1, 99.9]))
    np.testing.assert_allclose(scores, (expected - bulk.mean()) / bulk.std(), atol=0.5 / 25.5 + 1e-5)


def test_a_hot_pixel_changes_no_other_pixels_score():
    values = np.random.default_rng(0).normal(1000, 5, (200, 200))
    cold = z_score(standardise(values, 1))
    values[50, 60] = 60_000
    hot = z_score(standardise(values, 1))
    assert hot[50, 60] == CLIP
    hot[50, 60] = cold[50, 60]
    np.testing.assert_allclose(hot, cold, atol=1 / 25)
    assert abs(cold.std() - 1) < 0.02


def test_scores_do_not_depend_on_brightness_or_contrast_and_small_contrast_survives_a_large_offset():
    values = np.random.default_rng(0).normal(size=(100, 100))
    expected = standardise(values, 2).astype(int)
    for changed in (values * 1e-3, values * 300 + 5000, values * 3 + 30_000):
        assert abs(standardise(changed, 2).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("values", [np.full((9, 9), 7), np.array([[0.0, np.nan]] * 2), np.ones((2, 2))[:, :0]])
def test_what_has_no_z_score_is_an_error(values):
    with pytest.raises(ValueError, match=r"is constant|not finite|smaller than"):
        standardise(values, 1)


def test_a_micrograph_smaller_than_a_block_is_an_error():
    with pytest.raises(ValueError, match="smaller than a square of 4"):
        standardise(np.arange(9.0).reshape(3, 3), 4)


# points


@pytest.mark.parametrize("downsample", [1, 2, 3, 4])
def test_a_downsampled_particle_lies_where_its_centre_is_mapped_to(downsample):
    centre = (61.0, 40.0)
    shrunk = disc(120, centre, 12).reshape(120 // downsample, downsample, -1, downsample).mean(axis=(1, 3))
    y, x = np.indices(shrunk.shape)
    expected = [(x * shrunk).sum() / shrunk.sum(), (y * shrunk).sum() / shrunk.sum()]
    np.testing.assert_allclose(downsample_points(np.array([centre], np.float32), downsample)[0], expected, atol=0.01)


@pytest.mark.parametrize("downsample", [1, 2, 7])
def test_points_return_from_downsampling(downsample):
    points = np.random.default_rng(0).uniform(0, 4000, (50, 2)).astype(np.float32)
    np.testing.assert_allclose(restore_points(downsample_points(points, downsample), downsample), points, atol=1e-3)


def test_no_point_stays_no_point():
    assert downsample_points(np.empty((0, 2), np.float32), 2).shape == (0, 2)
