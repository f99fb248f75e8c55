"""Matching of points, in their order, to true centres. Radii are in the units of the points."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree


def match_in_order(points: np.ndarray, truth: np.ndarray, radius: float) -> np.ndarray:
    """Match each point in turn to the nearest centre within the radius that no earlier point has.

    So a point's match does not depend on later points. Of two centres equally near, the first one is matched.

    Args:
        points: `[n, 2]`, finite, in the order of matching.
        truth: `[m, 2]`, the true centres.
        radius: a centre is a candidate if it is nearer.

    Returns:
        int64 `[n]`: the index of the centre, −1 without a match.

    Source: the protocol of PASCAL VOC (Everingham et al. 2010), with COCO's restriction to free objects.
    """
    point, centre, distance = pairs_within(points, truth, radius)
    match, is_matched = np.full(len(points), -1, dtype=np.int64), np.zeros(len(truth), dtype=bool)
    for pair in np.lexsort((centre, distance, point)):  # by point, then by distance
        if match[point[pair]] < 0 and not is_matched[centre[pair]]:
            match[point[pair]] = centre[pair]
            is_matched[centre[pair]] = True
    return match


def pairs_within(points: np.ndarray, truth: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List the pairs nearer than the radius: index of the point, index of the centre, and distance."""
    point_tree, truth_tree = (cKDTree(np.reshape(coordinates, (-1, 2))) for coordinates in (points, truth))
    pairs = point_tree.sparse_distance_matrix(truth_tree, radius, output_type="ndarray")
    pairs = pairs[pairs["v"] < radius]
    return pairs["i"], pairs["j"], pairs["v"]
