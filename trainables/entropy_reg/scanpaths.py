"""Images with the scanpaths of their viewers, as every source lists them. Imports no torch.

Coordinates are pixels, x to the right and y down; pixel i covers i to i + 1, so that a fixation at 12.7 is in pixel 12.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

HISTORY = 4
"""Number of preceding fixations that the scanpath network sees, the last one first."""


class Recording(NamedTuple):
    """An image with the scanpaths that were recorded on it.

    Attributes:
        name: unique within the data set; folds are assigned by name.
        file: of the image.
        size: width and height in pixels to which the coordinates refer; None: those of the file.
        scanpaths: float32 `[n, 2]` each, n ≥ 1: x and y of one viewer's fixations in their order; all finite.
    """

    name: str
    file: Path
    size: tuple[int, int] | None
    scanpaths: tuple[np.ndarray, ...]


class Fixations(NamedTuple):
    """The scored fixations of one image.

    Attributes:
        points: float32 `[n, 2]`, x and y in pixels of the image, all inside.
        history: float32 `[n, 4, 2]`, the preceding fixations, the last one first; NaN where there was none.
    """

    points: np.ndarray
    history: np.ndarray

    def select(self, indices: np.ndarray) -> Fixations:
        """Select fixations, with their history, by index or bool mask."""
        return Fixations(self.points[indices], self.history[indices])


def scored_fixations(
    scanpaths: tuple[np.ndarray, ...], width: int, height: int, *, first_is_history: bool
) -> Fixations:
    """Collect the fixations to be scored, each with its history.

    Fixations outside the image are not scored, but stay in the history: the eye was there.

    Args:
        scanpaths: as `Recording` has them, in pixels of the image.
        width: of the image.
        height: of the image.
        first_is_history: whether the first fixation of every scanpath is history alone.
    """
    points, history = [np.empty((0, 2), np.float32)], [np.empty((0, HISTORY, 2), np.float32)]
    for path in scanpaths:
        padded_path = np.concatenate([np.full((HISTORY, 2), np.nan, np.float32), path])
        preceding = np.stack(
            [padded_path[HISTORY - lag : len(padded_path) - lag] for lag in range(1, HISTORY + 1)], axis=1
        )
        inside = np.all((path >= 0) & (path < (width, height)), axis=1)
        inside[: int(first_is_history)] = False
        points.append(path[inside].astype(np.float32))
        history.append(preceding[inside].astype(np.float32))
    return Fixations(np.concatenate(points), np.concatenate(history))


def select_scored(fixations: Fixations, number: int) -> Fixations:
    """Select so many of an image's fixations, evenly; all of them for 0, or where there are no more."""
    if number == 0 or number >= len(fixations.points):
        return fixations
    return fixations.select(np.linspace(0, len(fixations.points) - 1, number).astype(np.int64))
