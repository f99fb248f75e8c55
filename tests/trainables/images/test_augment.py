"""Crops and erasures of images on the device, against slices and mirror images of the same."""

from __future__ import annotations

import math

import pytest
import torch

from trainables.images.augment import crop, draw_crops, draw_erasures, erase, normalise

CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 1, side: int = 16) -> torch.Tensor:
    return torch.rand(count, 2, side, side, generator=generator(7)) + 0.5


def test_pixels_become_deviations_from_the_mean():
    pixels = torch.tensor([[[[0, 51]], [[255, 102]]]], dtype=torch.uint8)
    found = normalise(pixels, 0.2, 0.5)
    assert found.shape == (1, 2, 2, 1)
    assert found[0, :, :, 0].flatten().tolist() == pytest.approx([-0.4, 1.6, 0.0, 0.4])


def test_a_crop_of_all_of_an_image_is_the_image():
    found = crop(images(3), draw_crops(3, generator(), smallest=1.0))
    torch.testing.assert_close(found, images(3), rtol=1e-4, atol=1e-5)


def test_half_of_the_crops_are_mirrored_left_and_right_where_that_is_asked():
    whole = images().expand(400, -1, -1, -1)
    found = crop(whole, draw_crops(400, generator(), smallest=1.0, mirror=True))
    upright = (found - whole).abs().amax(dim=(1, 2, 3)) < 1e-4
    mirrored = (found - whole.flip(-1)).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert (upright ^ mirrored).all()
    assert 150 < int(mirrored.sum()) < 250


def test_crops_are_squares_of_the_asked_area_inside_the_image():
    maps = draw_crops(2000, generator(), smallest=0.25, mirror=True)
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
    first, again, other = (draw_crops(5, generator(seed), smallest=0.5, mirror=True) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_erasing_sets_the_rectangle_to_the_mean_and_leaves_all_else():
    rectangles = torch.tensor([[0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.0, 0.0]])
    whole = images(2, side=8)
    found = erase(whole, rectangles)
    expected = whole.clone()
    expected[0, :, 4:8, 2:6] = 0
    assert torch.equal(found, expected)


def test_rectangles_lie_in_the_image_in_the_asked_share_of_images_with_the_published_areas_and_shapes():
    rectangles = draw_erasures(4000, generator(), share=0.3)
    erased = rectangles[(rectangles != 0).any(dim=1)]
    assert len(erased) / 4000 == pytest.approx(0.3, abs=0.03)
    left, top, right, bottom = erased.unbind(dim=1)
    assert min(left.min(), top.min()) >= 0
    assert max(right.max(), bottom.max()) <= 1 + 1e-6
    area, ratio = (right - left) * (bottom - top), (right - left) / (bottom - top)
    assert 0.02 - 1e-6 <= area.min() < 0.03
    assert 0.32 < area.max() <= 0.33 + 1e-6
    assert 1 / 3 - 1e-4 <= ratio.min() < 0.35
    assert 2.9 < ratio.max() <= 3 + 1e-4
    assert ratio.log().mean().abs() < 0.1
    for near, far in ((left, right), (top, bottom)):
        place = near / (1 - (far - near))
        assert place.mean().item() == pytest.approx(0.5, abs=0.04)


def test_all_or_no_images_are_erased_where_that_is_asked():
    assert (draw_erasures(50, generator(), share=1.0)[:, 2:] > 0).all()
    assert (draw_erasures(50, generator(), share=0.0) == 0).all()
