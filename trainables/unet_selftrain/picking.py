"""From a map of probabilities to picked particles: smoothing, local maxima, and non-maximum suppression.

Points are float64 `[n, 2]` as (x, y) in pixels of the map: the pixel in row r and column c has its centre at x = c,
y = r. Nothing here knows how the map relates to the stored micrograph.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

NEIGHBOURS = np.ones((3, 3), dtype=bool)


class Picks(NamedTuple):
    """Picked particles of one micrograph, the surest first.

    Attributes:
        points: `[n, 2]` as (x, y).
        scores: float64 `[n]`, descending.
    """

    points: np.ndarray
    scores: np.ndarray


def smoothed(probabilities: np.ndarray, sigma: float) -> np.ndarray:
    """The map `[H, W]` after a Gaussian of deviation `sigma` in pixels, mirrored at the borders, in float32."""
    # Summed in float64 and rounded to float32, so that what is flat stays flat and rounding makes no maxima there.
    return ndimage.gaussian_filter(probabilities.astype(np.float32), sigma) if sigma else probabilities


def picks(scores: np.ndarray, radius: float, floor: float = 0.0) -> Picks:
    """Pick the local maxima of a map, the highest first, each suppressing all others within the radius.

    A maximum is a pixel that none of its eight neighbours reaches, refined by a parabola through its neighbours in
    each direction; or a plateau with nothing higher at its edge, which is one candidate, at its centre of gravity.
    Among equal scores the upper and then the left one goes first.

    Args:
        scores: `[H, W]`.
        radius: in pixels; all picks are further apart.
        floor: what does not exceed it is no candidate.

    Raises:
        ValueError: scores that are not finite.

    Source: Bepler et al. 2019, Topaz (non-maximum suppression of predicted particles).
    """
    if not np.isfinite(scores).all():
        raise ValueError("scores to pick from are NaN or infinite")
    points, heights = _maxima(scores, floor)
    order = np.argsort(-heights, kind="stable")
    points, heights = points[order], heights[order]
    chosen = _suppress(points, radius)
    return Picks(points[chosen], heights[chosen])


def _maxima(scores: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Points `[n, 2]` and heights `[n]` of single pixels and plateaus that are local maxima, in raster order."""
    top = (scores == _highest(scores)) & (scores > floor)
    # A part of a plateau may touch something higher at another place; then the pixels there are equal but no maxima.
    shoulder = top & (scores == _highest(np.where(top, -np.inf, scores)))
    labels, count = ndimage.label(top, NEIGHBOURS)
    rows, columns = np.nonzero(top)
    label = labels[rows, columns]
    sizes = np.bincount(label, minlength=count + 1)
    y, x = (np.bincount(label, each, count + 1) / np.maximum(sizes, 1) for each in (rows, columns))
    heights = np.zeros(count + 1)
    heights[label] = scores[rows, columns]
    real = np.setdiff1d(np.arange(1, count + 1), labels[shoulder])
    points = np.stack([x, y], axis=1)[real]
    single = sizes[real] == 1
    points[single] += _offsets(scores, points[single].astype(int))
    return points, heights[real]


def _highest(scores: np.ndarray) -> np.ndarray:
    return ndimage.maximum_filter(scores, size=3, mode="constant", cval=-np.inf)


def _offsets(scores: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """From the pixels (x, y) to the vertices of the parabolas, less than half a pixel; 0 across a border."""
    offsets = np.zeros(pixels.shape)
    for axis, values in ((0, scores.T), (1, scores)):
        along, across = pixels[:, axis], pixels[:, 1 - axis]
        inner = np.flatnonzero((along > 0) & (along < len(values) - 1))
        along, across = along[inner], across[inner]
        centre, before, after = (values[along + step, across].astype(np.float64) for step in (0, -1, 1))
        offsets[inner, axis] = (after - before) / (2 * (2 * centre - before - after))  # both neighbours are lower
    return offsets


def _suppress(points: np.ndarray, radius: float) -> list[int]:
    """Indices of the points that remain when each, in this order, removes all later ones within the radius."""
    tree = cKDTree(points)
    alive = np.ones(len(points), dtype=bool)
    chosen = []
    for index in range(len(points)):
        if alive[index]:
            chosen.append(index)
            alive[tree.query_ball_point(points[index], radius)] = False
    return chosen
