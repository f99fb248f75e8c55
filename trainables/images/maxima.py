"""Local maxima of a map, and the blobs of an image: maxima of its Laplacian of Gaussian.

Points are float64 `[n, 2]` as (x, y) in pixels of the map: the pixel in row r and column c has its centre at x = c,
y = r. Imports no torch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

NEIGHBOURS = np.ones((3, 3), dtype=bool)


class Picks(NamedTuple):
    """Picks of one map, the highest first.

    Attributes:
        points: `[n, 2]` as (x, y).
        scores: float64 `[n]`, descending.
    """

    points: np.ndarray
    scores: np.ndarray


def pick_maxima(scores: np.ndarray, radius: float, floor: float = 0.0) -> Picks:
    """Pick the local maxima of a map, the highest first, each suppressing all others within the radius.

    A maximum is a pixel that none of its eight neighbours reaches, refined by a parabola through its neighbours in
    each direction; or a plateau with nothing higher at its edge, which is one candidate, at its centre of gravity.
    Among equal scores the upper and then the left one goes first.

    Args:
        scores: `[H, W]`.
        radius: in pixels; all picks are further apart.
        floor: candidates exceed it.

    Raises:
        ValueError: scores that are not finite.

    Source: Bepler et al. 2019, Topaz (non-maximum suppression of predicted particles).
    """
    if not np.isfinite(scores).all():
        raise ValueError("scores to pick from are NaN or infinite")
    points, heights = _maxima(scores, floor)
    order = np.argsort(-heights, kind="stable")
    points, heights = points[order], heights[order]
    indices = _suppress(points, radius)
    return Picks(points[indices], heights[indices])


def laplacian_of_gaussian(image: np.ndarray, radius: float, *, sigma: float, spacing: float, sign: float) -> Picks:
    """Pick the maxima of the Laplacian of an image `[H, W]` at one scale.

    Args:
        image: of floats.
        radius: of a blob, in pixels.
        sigma: of the Gaussian, in radii; a disc's best is 1/√2.
        spacing: least distance of picks, in radii.
        sign: −1 for bright blobs, 1 for dark ones.

    Source: Lindeberg 1998, feature detection with automatic scale selection; here the scale is an argument.
    """
    return pick_maxima(sign * ndimage.gaussian_laplace(image, sigma * radius), spacing * radius)


def _maxima(scores: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the single pixels and plateaus that are local maxima: points `[n, 2]` and heights `[n]`, in raster order."""
    top = (scores == _neighbour_maximum(scores)) & (scores > floor)
    # A plateau may continue into pixels of the same height that touch a higher one: then it is no maximum.
    shoulder = top & (scores == _neighbour_maximum(np.where(top, -np.inf, scores)))
    labels, count = ndimage.label(top, NEIGHBOURS)
    rows, columns = np.nonzero(top)
    label = labels[rows, columns]
    sizes = np.bincount(label, minlength=count + 1)
    y, x = (np.bincount(label, positions, count + 1) / np.maximum(sizes, 1) for positions in (rows, columns))
    heights = np.zeros(count + 1)
    heights[label] = scores[rows, columns]
    maxima = np.setdiff1d(np.arange(1, count + 1), labels[shoulder])
    points = np.stack([x, y], axis=1)[maxima]
    single = sizes[maxima] == 1
    points[single] += _offsets(scores, points[single].astype(int))
    return points, heights[maxima]


def _neighbour_maximum(scores: np.ndarray) -> np.ndarray:
    return ndimage.maximum_filter(scores, size=3, mode="constant", cval=-np.inf)


def _offsets(scores: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Measure how far the parabolas' vertices lie from their pixels (x, y): under half a pixel; 0 across a border."""
    offsets = np.zeros(pixels.shape)
    for axis, values in ((0, scores.T), (1, scores)):
        positions, lines = pixels[:, axis], pixels[:, 1 - axis]
        inner = np.flatnonzero((positions > 0) & (positions < len(values) - 1))
        positions, lines = positions[inner], lines[inner]
        centre, before, after = (values[positions + step, lines].astype(np.float64) for step in (0, -1, 1))
        # the denominator is above 0, for both neighbours of a maximum are lower
        offsets[inner, axis] = (after - before) / (2 * (2 * centre - before - after))
    return offsets


def _suppress(points: np.ndarray, radius: float) -> list[int]:
    """Return the indices of the points that remain when each, in this order, removes all later ones in the radius."""
    tree = cKDTree(points)
    alive = np.ones(len(points), dtype=bool)
    indices = []
    for index in range(len(points)):
        if alive[index]:
            indices.append(index)
            alive[tree.query_ball_point(points[index], radius)] = False
    return indices
