"""How well masks find boxes: pointing game, IoU and IoBB, each beside what chance or an oracle would get.

All of it is counted in pixels of the square image: a pixel belongs to a region when its centre does. Masks
and saliency may be coarser than the image; a cell then stands for its pixels. The mask is class-agnostic, so
an image's boxes count as one region, their union. Images without boxes are left out. No result is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

TOLERANCE = 15 / 224  # of the image's side: the usual 15 px at 224
IOU_LEVELS = (0.1, 0.3, 0.5)


class Pointing(NamedTuple):
    """The pointing game.

    Attributes:
        hit_rate: share of the images whose most salient pixel lies in a box, or no farther from one than the
            tolerance; 0 without images.
        chance: what a pixel drawn uniformly would score on the same images; 0 without images.
        images: number of images with boxes.
    """

    hit_rate: float
    chance: float
    images: int


class Overlap(NamedTuple):
    """Overlap of masks with the union of boxes, averaged over images; all 0 without images.

    Attributes:
        iou: mean of |mask ∩ boxes| / |mask ∪ boxes|.
        iobb: mean of |mask ∩ boxes| / |mask|, 0 for an empty mask.
        accuracy: share of the images with an IoU of at least each of `IOU_LEVELS`.
        oracle_iou: mean of the best IoU that any mask of the same area could have.
        images: number of images with boxes.
    """

    iou: float
    iobb: float
    accuracy: tuple[float, ...]
    oracle_iou: float
    images: int


def pointing_game(saliency: np.ndarray, boxes: Sequence[np.ndarray], size: int) -> Pointing:
    """Whether the peak of each saliency map, smoothed over about one cell, falls on a box.

    A flat map points to its top-left cell.

    Args:
        saliency: float `[N, h, w]`, noise-free.
        boxes: per image `[n, 4]`, x0, y0, x1, y1 in pixels of the image; n may be 0.
        size: side of the square image in pixels.

    Source: Zhang et al. 2016, Top-down neural attention by excitation backprop (tolerance of 15 pixels).
    """
    rows = _boxed(boxes)
    if not len(rows):
        return Pointing(0.0, 0.0, 0)
    peaks = _peaks(saliency[rows], size)
    regions = np.stack([box_region(boxes[row], size, margin=TOLERANCE * size) for row in rows])
    hits = regions[np.arange(len(rows)), peaks[:, 1], peaks[:, 0]]
    return Pointing(float(hits.mean()), float(regions.mean()), len(rows))


def overlap(masks: np.ndarray, boxes: Sequence[np.ndarray], size: int) -> Overlap:
    """IoU and IoBB of binary masks with the union of each image's boxes.

    Args:
        masks: bool `[N, h, w]`, noise-free.
        boxes: per image `[n, 4]`, x0, y0, x1, y1 in pixels of the image; n may be 0.
        size: side of the square image in pixels.
    """
    rows = _boxed(boxes)
    if not len(rows):
        return Overlap(0.0, 0.0, (0.0,) * len(IOU_LEVELS), 0.0, 0)
    counts = np.array([_counts(masks[row], box_region(boxes[row], size)) for row in rows])
    both, kept, boxed = counts.T
    iou = both / np.maximum(kept + boxed - both, 1)
    iobb = both / np.maximum(kept, 1)
    accuracy = tuple(float((iou >= level).mean()) for level in IOU_LEVELS)
    oracle = oracle_iou(kept, boxed)
    return Overlap(float(iou.mean()), float(iobb.mean()), accuracy, float(oracle.mean()), len(rows))


def oracle_iou(kept: np.ndarray | float, boxed: np.ndarray) -> np.ndarray:
    """The best IoU that two areas in pixels allow: one region inside the other; 0 where both are empty."""
    larger = np.maximum(kept, boxed)
    return np.minimum(kept, boxed) / np.where(larger > 0, larger, 1)


def box_region(boxes: np.ndarray, size: int, margin: float = 0.0) -> np.ndarray:
    """bool `[size, size]`: the pixels whose centre is in a box, or at most `margin` pixels away from one."""
    centres = np.arange(size) + 0.5
    across = _outside(centres, boxes[:, 0], boxes[:, 2])
    down = _outside(centres, boxes[:, 1], boxes[:, 3])
    near = down[:, :, None] ** 2 + across[:, None, :] ** 2 <= margin**2
    return np.logical_or.reduce(near)


def _boxed(boxes: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([row for row, found in enumerate(boxes) if len(found)], dtype=np.int64)


def _peaks(saliency: np.ndarray, size: int) -> np.ndarray:
    """int `[N, 2]`: x and y of the pixel at the centre of the most salient cell."""
    count, height, width = saliency.shape
    y, x = np.divmod(_smooth(saliency).reshape(count, -1).argmax(axis=1), width)
    return np.stack([(x + 0.5) * size / width, (y + 0.5) * size / height], axis=1).astype(np.int64)


def _smooth(maps: np.ndarray) -> np.ndarray:
    """Binomial blur with a standard deviation of one cell, so that a lone noisy cell is no peak."""
    # Borders wrap round. Any other padding averages fewer cells there, so that noise would peak at the
    # border, where boxes are rare, and a random mask would score less than chance.
    for axis in (1, 2, 1, 2):
        maps = (np.roll(maps, 1, axis) + 2 * maps + np.roll(maps, -1, axis)) / 4
    return maps


def _counts(mask: np.ndarray, region: np.ndarray) -> tuple[int, int, int]:
    """Pixels in both, in the mask, in the region."""
    pixels = np.arange(len(region))
    rows, columns = (pixels * cells // len(region) for cells in mask.shape)  # the cell that a pixel lies in
    spread = mask[rows][:, columns]
    return int((spread & region).sum()), int(spread.sum()), int(region.sum())


def _outside(centres: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """`[n, size]`: how far each centre lies outside each interval, 0 inside."""
    return np.maximum(np.maximum(low[:, None] - centres, centres - high[:, None]), 0)
