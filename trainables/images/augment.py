"""Augmentation of square images on the device, as whole-tensor operations: crops, turns, mirroring, erasing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.images.image_set import ImageSet


def normalise(pixels: Tensor, mean: float, std: float) -> Tensor:
    """Convert bytes `[b, S, S, C]` to float32 `[b, C, S, S]` in which 0 is the data set's mean (black 0, white 1)."""
    return (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std


def to_device(images: ImageSet, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Move examples to the device: normalised images `[b, C, S, S]` and labels `[b, …]`; pixels travel as bytes."""
    pixels, labels = (torch.from_numpy(array).to(device) for array in images.batch(rows.numpy()))
    return normalise(pixels, images.mean, images.std), labels


def draw_crops(
    count: int, generator: torch.Generator, *, smallest: float, largest_turn: float = 0.0, mirror: bool = False
) -> Tensor:
    """Draw affine maps `[count, 2, 3]` from a crop's coordinates to the image's, both in −1 to 1.

    A crop is a square of `smallest` to all of the area, anywhere in the image.

    Args:
        count: of crops.
        generator: on the device of the crops.
        smallest: least share of the image's area, 0 to 1.
        largest_turn: in radians, either way.
        mirror: whether half of the crops are mirrored, left and right.
    """
    area, turn, x, y = torch.rand(4, count, generator=generator, device=generator.device)
    scale = (smallest + (1 - smallest) * area).sqrt()
    angle = (2 * turn - 1) * largest_turn
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    shifts = [(2 * position - 1) * (1 - scale) for position in (x, y)]
    maps = torch.stack([cosine, -sine, shifts[0], sine, cosine, shifts[1]], dim=1).view(count, 2, 3)
    if mirror:
        side = torch.randint(0, 2, (count, 1), generator=generator, device=generator.device) * 2.0 - 1
        maps[:, :, 0] *= side
    return maps


def crop(images: Tensor, crops: Tensor) -> Tensor:
    """Crop normalised images by maps `[b, 2, 3]`, at their size; outside an image lies 0, the data set's mean."""
    grid = F.affine_grid(crops, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def draw_erasures(count: int, generator: torch.Generator, *, share: float) -> Tensor:
    """Draw rectangles `[count, 4]` to erase: left, top, right, bottom as shares of the image's sides; some are empty.

    They have 2 to 33 % of the area, three times as high as wide to three times as wide as high, anywhere in the image.

    Args:
        count: of images.
        generator: on the device of the images.
        share: of the images that get one.

    Source: Zhong et al. 2020, Random erasing data augmentation.
    """
    chance, area, shape, x, y = torch.rand(5, count, generator=generator, device=generator.device)
    area, ratio = 0.02 + (0.33 - 0.02) * area, 3 ** (2 * shape - 1)
    width, height = (area * ratio).sqrt(), (area / ratio).sqrt()  # at most 0.995, so that all have their whole area
    left, top = x * (1 - width), y * (1 - height)
    rectangles = torch.stack([left, top, left + width, top + height], dim=1)
    return rectangles * (chance < share)[:, None]


def erase(images: Tensor, rectangles: Tensor) -> Tensor:
    """Set normalised images `[b, C, S, S]` to 0, the data set's mean, where a pixel's centre lies in `[b, 4]`."""
    side = images.shape[-1]
    centres = (torch.arange(side, device=images.device) + 0.5) / side
    left, top, right, bottom = rectangles[:, :, None].unbind(dim=1)
    columns, rows = (centres >= left) & (centres < right), (centres >= top) & (centres < bottom)
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)
