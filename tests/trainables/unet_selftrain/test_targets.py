"""Discs and Gaussians against a look at every pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.targets import discs, neighbourhood, render

SHAPE = (23, 31)
CENTRES = np.array([[5.0, 4.0], [8.3, 6.7], [30.5, 22.9], [-2.0, 15.0], [15.0, 40.0], [20.0, 12.25]])


def nearest(shape: tuple[int, int], centres: np.ndarray) -> np.ndarray:
    """Compute the distance of every pixel to the nearest centre, pixel by pixel."""
    return np.array(
        [[min(math.hypot(column - x, row - y) for x, y in centres) for column in range(shape[1])]
         for row in range(shape[0])]
    )  # fmt: skip


@pytest.mark.parametrize("radius", [1.0, 3.3, 5.0])
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.5])
def test_a_pixel_is_in_a_disc_if_it_is_within_the_scaled_radius_of_a_centre(radius, scale):
    result = render(SHAPE, CENTRES, radius, Config(target_scale=scale))
    assert result.dtype == np.int8
    distance = nearest(SHAPE, CENTRES)
    tie = np.isclose(distance, radius * scale)
    np.testing.assert_array_equal(result[~tie], np.where(distance < max(radius * scale, 0.5**0.5), 100, 0)[~tie])


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_a_gaussian_has_half_the_scaled_radius_as_deviation_and_the_highest_value_wins(scale):
    result = render(SHAPE, CENTRES, 6.0, Config(target="gaussian", target_scale=scale))
    expected = 100 * np.exp(-(nearest(SHAPE, CENTRES) ** 2) / (2 * (scale * 3.0) ** 2))
    assert result.dtype == np.int8
    assert np.abs(result - expected).max() <= 0.5 + 1e-9
    assert result[4, 5] == 100


@pytest.mark.parametrize("radius", [5.0, 10.0, 20.5])
def test_a_disc_has_the_area_of_a_disc(radius):
    generator = np.random.default_rng(0)
    areas = [
        (render((60, 60), 30 + generator.uniform(-0.5, 0.5, (1, 2)), radius, Config()) == 100).sum() for _ in range(50)
    ]
    assert np.mean(areas) == pytest.approx(math.pi * radius**2, rel=0.02)


@pytest.mark.parametrize("target", ["disc", "gaussian"])
def test_a_particle_on_a_pixel_is_symmetric(target):
    result = render((31, 31), np.array([[15, 15]]), 9.0, Config(target=target))
    for other in (result.T, result[::-1], result[:, ::-1]):
        np.testing.assert_array_equal(result, other)


@pytest.mark.parametrize("target", ["disc", "gaussian"])
def test_a_particle_on_the_border_is_drawn_in_part(target):
    config = Config(target=target)
    whole = render((60, 60), np.array([[20.0, 30.0]]), 9.0, config)
    np.testing.assert_array_equal(render((60, 40), np.array([[0.0, 30.0]]), 9.0, config), whole[:, 20:])


def test_x_is_the_column():
    assert np.argwhere(render((20, 40), np.array([[33, 7]]), 0.6, Config())).tolist() == [[7, 33]]


@pytest.mark.parametrize("target", ["disc", "gaussian"])
@pytest.mark.parametrize("centre", [(4.0, 4.0), (4.5, 4.5), (4.49, 4.51)])
def test_no_particle_is_too_small_for_a_pixel(target, centre):
    config = Config(target=target, target_scale=0.1)
    assert render((9, 9), np.array([centre]), 1.0, config).max() >= 13
    assert discs((9, 9), np.array([centre]), 0.1).any()


def test_no_particles_make_an_empty_target():
    assert not render(SHAPE, np.empty((0, 2)), 5.0, Config()).any()
    assert not neighbourhood(SHAPE, np.empty((0, 2)), 5.0).any()


def test_near_and_discs_are_what_is_within_a_distance():
    np.testing.assert_array_equal(neighbourhood(SHAPE, CENTRES, 6.1), nearest(SHAPE, CENTRES) <= 6.1)
    np.testing.assert_array_equal(discs(SHAPE, CENTRES, 3.1), nearest(SHAPE, CENTRES) <= 3.1)
    np.testing.assert_array_equal(discs(SHAPE, CENTRES, 3.1), render(SHAPE, CENTRES, 3.1, Config()) == 100)
