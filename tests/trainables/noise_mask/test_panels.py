"""A panel: every pixel as it was before normalisation, the mask in grey, and their product."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainables.images.sheets import HEADER
from trainables.noise_mask import panels
from trainables.noise_mask.panels import COLUMNS, SIDE, draw_panel

MEAN, STD = 0.4, 0.2
CLASSES = ("ring", "cross", "disc")
PREDICTIONS = np.array([[0.1, 0.85, 0.05], [0.2, 0.2, 0.6]])


def images(channels: int = 1, size: int = 48) -> tuple[torch.Tensor, np.ndarray]:
    """Return two images, normalised, and their bytes `[2, S, S, 3]`."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, channels), dtype=np.uint8)
    normalised = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD
    return normalised, np.broadcast_to(pixels, (2, size, size, 3))


def draw(normalised: torch.Tensor, masks: torch.Tensor | None) -> np.ndarray:
    return draw_panel(normalised, masks, [1, 0], PREDICTIONS, CLASSES, MEAN, STD)


def cells(picture: np.ndarray, row: int, size: int = 48) -> list[np.ndarray]:
    """Return a row's images at their own size, but for the dark line at their right."""
    factor = -(-SIDE // size)
    height = 2 * HEADER + factor * size
    part = picture[row * height + 2 * HEADER : (row + 1) * height]
    columns = [part[:, left : left + factor * size] for left in range(0, part.shape[1], factor * size)]
    return [each[::factor, ::factor] for each in columns]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_row_shows_image_mask_and_their_product(channels):
    normalised, pixels = images(channels)
    masks = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(1))
    picture = draw(normalised, masks)
    assert picture.dtype == np.uint8
    assert picture.shape == (2 * (2 * HEADER + SIDE), COLUMNS * SIDE, 3)
    for row in range(2):
        image, mask, product = cells(picture, row)
        np.testing.assert_array_equal(image, pixels[row])
        grey = 255 * masks[row, 0].numpy()
        np.testing.assert_allclose(mask, np.broadcast_to(grey[..., None], (48, 48, 3)), atol=0.51)
        # a mask of 0 leaves the mean
        expectation = 255 * MEAN + masks[row, 0].numpy()[..., None] * (pixels[row] - 255 * MEAN)
        np.testing.assert_allclose(product, expectation, atol=0.51)


def test_masks_above_one_are_shown_from_0_to_2_in_all_rows():
    normalised, pixels = images()
    masks = torch.stack([torch.full((1, 48, 48), 0.5), torch.full((1, 48, 48), 1.5)])
    picture = draw(normalised, masks)
    assert [int(cells(picture, row)[1][5, 5, 0]) for row in range(2)] == [64, 191]
    product = cells(picture, 1)[2]
    expectation = np.clip(255 * MEAN + 1.5 * (pixels[1].astype(float) - 255 * MEAN), 0, 255)
    assert expectation.min() == 0  # cut off, and not turned over
    np.testing.assert_allclose(product, expectation, atol=0.51)


@pytest.mark.parametrize(("top", "white"), [(1.0, "white is 1"), (1.25, "white is 2")])
def test_the_masks_range_and_scale_stand_above_it(monkeypatch, top, white):
    texts: list[str] = []
    monkeypatch.setattr(panels, "add_header", lambda picture, text: texts.append(text) or picture)
    masks = torch.full((2, 1, 48, 48), 0.25)
    masks[0, 0, 3, 3] = top
    draw(images()[0], masks)
    assert texts[1] == f"mask 0.25 to {top:.2f}, {white}"
    assert texts[4] == f"mask 0.25 to 0.25, {white}"


def test_a_title_line_has_label_and_prediction_with_its_probability(monkeypatch):
    texts: list[str] = []
    bar = panels.text_bar
    monkeypatch.setattr(panels, "text_bar", lambda width, text: texts.append(text) or bar(width, text))
    draw(images()[0], None)
    assert texts == ["cross   predicted cross with 0.85, right", "ring   predicted disc with 0.60, wrong"]


def test_without_masks_images_stand_alone():
    normalised, pixels = images()
    picture = draw(normalised, None)
    image, *rest = cells(picture, 1)
    np.testing.assert_array_equal(image, pixels[1])
    assert all((each == 0).all() for each in rest)


def test_large_images_are_not_enlarged():
    normalised, pixels = images(size=200)
    picture = draw(normalised, torch.ones(2, 1, 200, 200))
    assert picture.shape == (2 * (2 * HEADER + 200), COLUMNS * 200, 3)
    np.testing.assert_array_equal(cells(picture, 1, 200)[2][:, :-1], pixels[1][:, :-1])
