"""One split of images and the objects in them, whatever its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from trainables.images.fingerprint import fingerprint
from trainables.images.split import DataSplit


@dataclass(frozen=True, eq=False, kw_only=True)
class Scenes(DataSplit):
    """Images with objects.

    Attributes:
        images: uint8 `[M, S, S, 3]`, M ≥ N, letterboxed; may hold images of other splits, so go through `batch`.
        rows: int64 `[N]`; example i is `images[rows[i]]`.
        sizes: int64 `[N, 2]`, width and height of the images as stored.
        points: N arrays float32 `[n, 2]`, the objects in pixels of the image as stored, in no particular order.
        calibration: bool `[N]`, images on which thresholds are chosen; all false but in validation.
    """

    PER_EXAMPLE_FIELDS = (*DataSplit.PER_EXAMPLE_FIELDS, "rows", "sizes", "points", "calibration")

    images: np.ndarray
    rows: np.ndarray
    sizes: np.ndarray
    points: list[np.ndarray]
    calibration: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Number of objects of each image, int64 `[N]`."""
        return np.array([len(points) for points in self.points], dtype=np.int64)

    def batch(self, indices: Sequence[int]) -> np.ndarray:
        """Copy some images, uint8 `[b, S, S, 3]`."""
        images: np.ndarray = self.images[self.rows[list(indices)]]
        return images

    def spacing(self) -> float:
        """Return the median distance of an object to its nearest neighbour in pixels; 0 where none has one."""
        distances = [cKDTree(points).query(points, k=2)[0][:, 1] for points in self.points if len(points) > 1]
        return float(np.median(np.concatenate(distances))) if distances else 0.0

    def describe(self) -> dict[str, Any]:
        """Describe the split: counts of images and objects, their spacing, images left out; a fingerprint."""
        counts = self.counts
        points = [points.tolist() for points in self.points]
        return {
            "images": len(self),
            "objects": int(counts.sum()),
            "most_objects": int(counts.max(initial=0)),
            "spacing_px": round(self.spacing(), 2),
            "calibration": int(self.calibration.sum()),
            "left_out": len(self.bad),
            "fingerprint": fingerprint(
                self.images, self.rows, [self.names, self.sizes.tolist(), points, self.calibration.tolist()]
            ),
        }


def select_evenly(scenes: Scenes, limit: int) -> Scenes:
    """Select at most `limit` images, evenly spaced; all of them for 0."""
    if limit == 0 or len(scenes) <= limit:
        return scenes
    return scenes.select(np.linspace(0, len(scenes) - 1, limit).astype(int))
