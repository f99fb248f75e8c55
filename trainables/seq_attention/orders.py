"""The order in which objects are marked."""

from __future__ import annotations

import numpy as np

from trainables.settings import UsageError, unknown


def arranged(points: np.ndarray, order: str, row_height: float) -> np.ndarray:
    """The indices `[n]` that put points `[n, 2]` in order.

    `reading`: by row, and by x within it. Rows are cut at multiples of `row_height`, so that a pixel of y can move an
    object to another row; this is the published order. `left_right`: by x. `nearest`: from the upper left corner on,
    always the nearest object that is left. Ties are broken by the other coordinate, never by the order in the file.

    Raises:
        UsageError: an order that there is not.
    """
    x, y = points.T
    if order == "reading":
        return np.lexsort((y, x, np.floor(y / row_height)))
    if order == "left_right":
        return np.lexsort((y, x))
    if order == "nearest":
        return _greedily(points)
    raise UsageError(unknown(order, ("reading", "left_right", "nearest"), what="order"))


def _greedily(points: np.ndarray) -> np.ndarray:
    first = np.lexsort(points.T[::-1])  # by x, then y
    left = points[first].astype(np.float64)
    here, found = np.zeros(2), []
    free = np.ones(len(left), dtype=bool)
    for _ in range(len(left)):
        distance = np.where(free, np.hypot(*(left - here).T), np.inf)
        nearest = int(np.argmin(distance))
        free[nearest] = False
        here = left[nearest]
        found.append(nearest)
    return first[np.array(found, dtype=np.int64)]
