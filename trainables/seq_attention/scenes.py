"""One split of images and the objects in them, whatever its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from trainables.images.fingerprint import fingerprint


class Listed(NamedTuple):
    """An image as the annotations have it, before its file is opened.

    Attributes:
        name: of the image, unique in its split.
        file: that holds it.
        size: width and height in pixels that the annotations state, or None.
        points: float32 `[n, 2]`, x and y of its objects in pixels, 0 being the edge of the first pixel.
    """

    name: str
    file: Path
    size: tuple[int, int] | None
    points: np.ndarray


@dataclass(frozen=True, eq=False)
class Scenes:
    """One split. Its arrays are read-only, because all trials of a process share them.

    Attributes:
        images: uint8 `[M, S, S, 3]`, fitted into squares (`framing.fitted`), of which the split has some.
        sizes: int64 `[N, 2]`, width and height of the images as stored.
        points: N arrays float32 `[n, 2]`, the objects in pixels of the image as stored, in no particular order.
        names: of the images.
        calibration: bool `[N]`, images on which thresholds are chosen; all false but in validation.
        rows: int `[N]`, places in `images`; None: all of them, in their order.
        bad: name and reason of every image that was left out for its file.
    """

    images: np.ndarray
    sizes: np.ndarray
    points: Sequence[np.ndarray]
    names: list[str]
    calibration: np.ndarray
    rows: np.ndarray | None = None
    bad: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for array in (self.images, self.sizes, *self.points, self.calibration):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def counts(self) -> np.ndarray:
        """int64 `[N]`: objects of each image."""
        return np.array([len(each) for each in self.points], dtype=np.int64)

    def batch(self, places: Sequence[int]) -> np.ndarray:
        """A copy of the images at some places, uint8 `[b, S, S, 3]`."""
        copied: np.ndarray = self.images[list(places) if self.rows is None else self.rows[list(places)]]
        return copied

    def spacing(self) -> float:
        """Median distance of an object to its nearest neighbour in pixels; 0 where none has one."""
        nearest = [cKDTree(each).query(each, k=2)[0][:, 1] for each in self.points if len(each) > 1]
        return float(np.median(np.concatenate(nearest))) if nearest else 0.0

    def select(self, kept: np.ndarray) -> Scenes:
        """The images at some places: bool `[N]`, or increasing indices. Pixels stay shared."""
        places = (np.flatnonzero(kept) if kept.dtype == bool else kept).tolist()
        return replace(
            self,
            rows=np.arange(len(self.images))[places] if self.rows is None else self.rows[places],
            sizes=self.sizes[places],
            points=[self.points[place] for place in places],
            names=[self.names[place] for place in places],
            calibration=self.calibration[places],
        )

    def describe(self) -> dict[str, Any]:
        """Counts of images and objects, their spacing, images left out; a fingerprint."""
        counts = self.counts
        points = [each.tolist() for each in self.points]
        return {
            "images": len(self),
            "objects": int(counts.sum()),
            "most_objects": int(counts.max(initial=0)),
            "spacing_px": round(self.spacing(), 2),
            "left_out": len(self.bad),
            "fingerprint": fingerprint(
                self.images,
                np.arange(len(self)) if self.rows is None else self.rows,
                [self.names, self.sizes.tolist(), points, self.calibration.tolist()],
            ),
        }
