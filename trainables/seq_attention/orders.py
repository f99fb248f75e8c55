"""The order in which objects are marked."""

from __future__ import annotations

import numpy as np

from trainables.settings import UsageError, describe_unknown


def sort_objects(points: np.ndarray, order: str, row_height: float) -> np.ndarray:
    """Return the indices `[n]` that put points `[n, 2]` in order.

    `reading`: by row, and by x within it. Rows are cut at multiples of `row_height`, so that a pixel of y can move an
    object to another row; this is the published order. `left_right`: by x. `nearest`: from the upper left corner on,
    always the nearest object that is not yet visited. Ties are broken by the other coordinate, never by the order in
    the file.

    Raises:
        UsageError: an unknown order.
    """
    x, y = points.T
    if order == "reading":
        return np.lexsort((y, x, np.floor(y / row_height)))
    if order == "left_right":
        return np.lexsort((y, x))
    if order == "nearest":
        return _nearest_neighbour_tour(points)
    raise UsageError(describe_unknown(order, ("reading", "left_right", "nearest"), kind="order"))


def _nearest_neighbour_tour(points: np.ndarray) -> np.ndarray:
    by_position = np.lexsort(points.T[::-1])  # by x, then y, so that argmin breaks ties alike for any order in the file
    candidates = points[by_position].astype(np.float64)
    position, tour = np.zeros(2), []
    free = np.ones(len(candidates), dtype=bool)
    for _ in range(len(candidates)):
        distance = np.where(free, np.hypot(*(candidates - position).T), np.inf)
        nearest = int(np.argmin(distance))
        free[nearest] = False
        position = candidates[nearest]
        tour.append(nearest)
    return by_position[np.array(tour, dtype=np.int64)]
