"""What all readers give: images with the scanpaths of their viewers. Imports no torch.

Coordinates are pixels, x to the right and y down; pixel i covers i to i + 1, so that a fixation at 12.7 is in pixel 12.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

HISTORY = 4
"""Fixations that the scanpath network sees, the last one first."""


class Listed(NamedTuple):
    """An image with all that was recorded on it.

    Attributes:
        name: no other image of the set has it; folds are made of names.
        file: of the image.
        size: width and height that the coordinates are for; None where they are those of the file, whatever it has.
        scanpaths: each float32 `[n, 2]`, n ≥ 1: x and y of one viewer's fixations in their order; all finite.
    """

    name: str
    file: Path
    size: tuple[int, int] | None
    scanpaths: tuple[np.ndarray, ...]


class Fixations(NamedTuple):
    """The scored fixations of one image.

    Attributes:
        points: float32 `[n, 2]`, x and y in pixels of the image, all inside.
        history: float32 `[n, 4, 2]`: the fixations before, the last one first; NaN where there was none.
    """

    points: np.ndarray
    history: np.ndarray

    def select(self, places: np.ndarray) -> Fixations:
        """Some of them."""
        return Fixations(self.points[places], self.history[places])


def fixations(scanpaths: tuple[np.ndarray, ...], width: int, height: int, *, forced: bool) -> Fixations:
    """The fixations to be scored, with what came before each.

    Args:
        scanpaths: as `Listed` has them, in pixels of an image of `width` and `height`.
        forced: whether the first fixation of each is history alone.

    Fixations outside the image are not scored; they stay in the history, for the eye was there.
    """
    points, history = [np.empty((0, 2), np.float32)], [np.empty((0, HISTORY, 2), np.float32)]
    for path in scanpaths:
        before = np.concatenate([np.full((HISTORY, 2), np.nan, np.float32), path])
        slots = np.stack([before[HISTORY - back : len(before) - back] for back in range(1, HISTORY + 1)], axis=1)
        inside = np.all((path >= 0) & (path < (width, height)), axis=1)
        inside[: int(forced)] = False
        points.append(path[inside].astype(np.float32))
        history.append(slots[inside].astype(np.float32))
    return Fixations(np.concatenate(points), np.concatenate(history))
