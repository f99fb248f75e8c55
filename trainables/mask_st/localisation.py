"""How well masks find boxes: pointing game, IoU and IoBB, each beside what chance or an oracle would get.

Everything is counted in pixels of the square image: a pixel belongs to a region when its centre does. Masks and
saliency may be coarser than the image; each cell then stands for its pixels. The mask is class-agnostic, so the
boxes of an image count as one region, their union. Images without boxes are left out. No result is NaN.
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
        chance: hit rate of a pixel drawn uniformly, on the same images; 0 without images.
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
    """Count how often the peak of a saliency map, smoothed over about one cell, falls on a box.

    A flat map points to its top-left cell.

    Args:
        saliency: float `[N, h, w]`, noise-free.
        boxes: per image `[n, 4]`, x0, y0, x1, y1 in pixels of the image; n may be 0.
        size: side of the square image in pixels.

    Source: Zhang et al. 2016, Top-down neural attention by excitation backprop (tolerance of 15 pixels).
    """
    rows = _rows_with_boxes(boxes)
    if not len(rows):
        return Pointing(0.0, 0.0, 0)
    peaks = _find_peaks(saliency[rows], size)
    regions = np.stack([box_region(boxes[row], size, margin=TOLERANCE * size) for row in rows])
    hits = regions[np.arange(len(rows)), peaks[:, 1], peaks[:, 0]]
    return Pointing(float(hits.mean()), float(regions.mean()), len(rows))


def overlap(masks: np.ndarray, boxes: Sequence[np.ndarray], size: int) -> Overlap:
    """Measure IoU and IoBB of binary masks with the union of each image's boxes.

    Args:
        masks: bool `[N, h, w]`, noise-free.
        boxes: per image `[n, 4]`, x0, y0, x1, y1 in pixels of the image; n may be 0.
        size: side of the square image in pixels.
    """
    rows = _rows_with_boxes(boxes)
    if not len(rows):
        return Overlap(0.0, 0.0, (0.0,) * len(IOU_LEVELS), 0.0, 0)
    counts = np.array([_count_pixels(masks[row], box_region(boxes[row], size)) for row in rows])
    intersection, mask_area, box_area = counts.T
    iou = intersection / np.maximum(mask_area + box_area - intersection, 1)
    iobb = intersection / np.maximum(mask_area, 1)
    accuracy = tuple(float((iou >= level).mean()) for level in IOU_LEVELS)
    oracle = oracle_iou(mask_area, box_area)
    return Overlap(float(iou.mean()), float(iobb.mean()), accuracy, float(oracle.mean()), len(rows))


def oracle_iou(mask_area: np.ndarray | float, box_area: np.ndarray) -> np.ndarray:
    """Compute the best IoU that two areas in pixels allow: one region inside the other; 0 where both are empty."""
    larger = np.maximum(mask_area, box_area)
    return np.minimum(mask_area, box_area) / np.where(larger > 0, larger, 1)


def box_region(boxes: np.ndarray, size: int, margin: float = 0.0) -> np.ndarray:
    """Mark the pixels whose centre is in a box, or at most `margin` pixels away from one: bool `[size, size]`."""
    centres = np.arange(size) + 0.5
    dx = _distance_outside(centres, boxes[:, 0], boxes[:, 2])
    dy = _distance_outside(centres, boxes[:, 1], boxes[:, 3])
    is_near = dy[:, :, None] ** 2 + dx[:, None, :] ** 2 <= margin**2
    return np.logical_or.reduce(is_near)


def _rows_with_boxes(boxes: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([row for row, image_boxes in enumerate(boxes) if len(image_boxes)], dtype=np.int64)


def _find_peaks(saliency: np.ndarray, size: int) -> np.ndarray:
    """Find the most salient cell: x and y of the pixel at its centre, int `[N, 2]`."""
    count, height, width = saliency.shape
    y, x = np.divmod(_smooth(saliency).reshape(count, -1).argmax(axis=1), width)
    return np.stack([(x + 0.5) * size / width, (y + 0.5) * size / height], axis=1).astype(np.int64)


def _smooth(maps: np.ndarray) -> np.ndarray:
    """Blur binomially with a standard deviation of one cell, so that a single noisy cell is no peak."""
    # Borders wrap round. Any other padding averages fewer cells there, so that noise would peak at the
    # border, where boxes are rare, and a random mask would score less than chance.
    for axis in (1, 2, 1, 2):
        maps = (np.roll(maps, 1, axis) + 2 * maps + np.roll(maps, -1, axis)) / 4
    return maps


def _count_pixels(mask: np.ndarray, region: np.ndarray) -> tuple[int, int, int]:
    """Count the pixels in both, in the mask, in the region."""
    pixels = np.arange(len(region))
    rows, columns = (pixels * cells // len(region) for cells in mask.shape)  # the cell that a pixel lies in
    pixel_mask = mask[rows][:, columns]
    return int((pixel_mask & region).sum()), int(pixel_mask.sum()), int(region.sum())


def _distance_outside(centres: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Measure how far each centre lies outside each interval, 0 inside: `[n, size]`."""
    return np.maximum(np.maximum(low[:, None] - centres, centres - high[:, None]), 0)
