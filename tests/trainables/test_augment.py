"""Crops of images on the device, against slices and mirror images of the same."""

from __future__ import annotations

import math

import pytest
import torch

from trainables.augment import crop, draw_crops, normalised

CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 1, side: int = 16) -> torch.Tensor:
    return torch.rand(count, 2, side, side, generator=generator(7)) + 0.5


def test_pixels_become_deviations_from_the_mean():
    pixels = torch.tensor([[[[0, 51]], [[255, 102]]]], dtype=torch.uint8)
    found = normalised(pixels, 0.2, 0.5)
    assert found.shape == (1, 2, 2, 1)
    assert found[0, :, :, 0].flatten().tolist() == pytest.approx([-0.4, 1.6, 0.0, 0.4])


def test_a_crop_of_all_of_an_image_is_the_image():
    found = crop(images(3), draw_crops(3, generator(), smallest=1.0))
    torch.testing.assert_close(found, images(3), rtol=1e-4, atol=1e-5)


def test_half_of_the_crops_are_mirrored_left_and_right_where_that_is_asked():
    whole = images().expand(400, -1, -1, -1)
    found = crop(whole, draw_crops(400, generator(), smallest=1.0, mirrored=True))
    upright = (found - whole).abs().amax(dim=(1, 2, 3)) < 1e-4
    mirrored = (found - whole.flip(-1)).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert (upright ^ mirrored).all()
    assert 150 < int(mirrored.sum()) < 250


def test_crops_are_squares_of_the_asked_area_inside_the_image():
    maps = draw_crops(2000, generator(), smallest=0.25, mirrored=True)
    width, height = maps[:, 0, 0].abs(), maps[:, 1, 1]
    torch.testing.assert_close(width, height)
    area = width * height
    assert 0.25 <= area.min() < 0.27
    assert 0.98 < area.max() <= 1.0
    assert area.mean().item() == pytest.approx(0.625, abs=0.02)
    assert ((maps[:, 0, 2].abs() + width) <= 1 + 1e-6).all()
    assert ((maps[:, 1, 2].abs() + height) <= 1 + 1e-6).all()
    assert maps[:, 0, 1].abs().max() == 0


def test_turns_keep_to_the_largest_one_either_way():
    maps = draw_crops(2000, generator(), smallest=0.5, largest_turn=0.3)
    angles = torch.atan2(maps[:, 1, 0], maps[:, 0, 0])
    assert angles.abs().max() <= 0.3 + 1e-6
    assert angles.min() < -0.28
    assert angles.max() > 0.28
    assert (maps[:, 0, 0] * maps[:, 1, 1] - maps[:, 0, 1] * maps[:, 1, 0]).sqrt().min() >= math.sqrt(0.5) - 1e-6


def test_the_same_generator_draws_the_same_crops():
    first, again, other = (draw_crops(5, generator(seed), smallest=0.5, mirrored=True) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
