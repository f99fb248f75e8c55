"""Smoothing of probability maps before particles are picked."""

import numpy as np
import pytest

from trainables.unet_selftrain.picking import smooth


def noise(seed: int, shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def bump(shape: tuple[int, int], x: float, y: float, sigma: float = 3.0) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))


def test_smoothing_keeps_a_constant_and_the_sum_and_turns_a_point_into_a_gaussian():
    np.testing.assert_allclose(smooth(np.full((20, 20), 0.3), 3.0), 0.3, rtol=1e-6)
    point = np.zeros((41, 41))
    point[20, 20] = 1
    result = smooth(point, 3.0)
    assert result.sum() == pytest.approx(1)
    np.testing.assert_allclose(result, bump((41, 41), 20, 20) / bump((41, 41), 20, 20).sum(), atol=2e-5)


def test_smoothing_by_nothing_leaves_the_map():
    scores = noise(7)
    np.testing.assert_array_equal(smooth(scores, 0.0), scores)
