"""Which of some true centres each point finds, where points come in an order. Radii are in the units of the points."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree


def in_turn(points: np.ndarray, truth: np.ndarray, radius: float) -> np.ndarray:
    """The centre that each point takes: one after the other, the nearest one that is free and within reach.

    So what is said of a point does not depend on later ones. Of two centres equally near, the first one is taken.

    Args:
        points: `[n, 2]`, finite, in the order in which they take.
        truth: `[m, 2]`, the true centres.
        radius: a centre is within reach if it is nearer.

    Returns:
        int64 `[n]`: the index of the centre, −1 where there is none.

    Source: the protocol of PASCAL VOC (Everingham et al. 2010), with COCO's choice among free objects alone.
    """
    point, centre, distance = near(points, truth, radius)
    found, taken = np.full(len(points), -1, dtype=np.int64), np.zeros(len(truth), dtype=bool)
    for each in np.lexsort((centre, distance, point)):
        if found[point[each]] < 0 and not taken[centre[each]]:
            found[point[each]] = centre[each]
            taken[centre[each]] = True
    return found


def near(points: np.ndarray, truth: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Index of the point, index of the centre, and distance, of all pairs that are nearer than the radius."""
    trees = (cKDTree(np.reshape(each, (-1, 2))) for each in (points, truth))
    pairs = next(trees).sparse_distance_matrix(next(trees), radius, output_type="ndarray")
    pairs = pairs[pairs["v"] < radius]
    return pairs["i"], pairs["j"], pairs["v"]
