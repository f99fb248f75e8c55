"""One split of mask_st's data, whatever its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trainables.fingerprint import fingerprint


@dataclass(frozen=True)
class Examples:
    """One split. Its arrays are read-only, because all trials of a process share them.

    Attributes:
        images: uint8 `[M, S, S, 1]`, M ≥ N; may hold other splits' images, so go through `rows` or `batch`.
        rows: int64 `[N]`; example i is `images[rows[i]]`.
        labels: float32 `[N, K]`, 0 or 1.
        boxes: per example float32 `[n, 4]`, x0, y0, x1, y1 in pixels of the S×S image; n may be 0.
        findings: per example the n names of what is boxed; not all of them need be classes.
        classes: the K names.
        names: N file names.
        patients: N patients; no two splits share one.
        calibration: bool `[N]`, the examples on which thresholds are chosen; all false but in validation.
        bad: name and reason of every listed image that was left out.
        mean: mean of the training split's pixels, black being 0 and white 1.
        std: their standard deviation.
    """

    images: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    boxes: list[np.ndarray]
    findings: list[tuple[str, ...]]
    classes: tuple[str, ...]
    names: list[str]
    patients: list[str]
    calibration: np.ndarray
    bad: tuple[tuple[str, str], ...] = ()
    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        for array in (self.images, self.rows, self.labels, self.calibration, *self.boxes):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the examples: images uint8 `[B, S, S, 1]`, labels float32 `[B, K]`."""
        chosen = np.asarray(rows, dtype=np.int64)
        return np.asarray(self.images[self.rows[chosen]]), self.labels[chosen]

    def only(self, kept: np.ndarray) -> Examples:
        """The examples where `kept`, bool `[N]`, is true; the stored images stay shared."""
        places = np.flatnonzero(kept)
        return replace(
            self,
            rows=self.rows[places],
            labels=self.labels[places],
            boxes=[self.boxes[place] for place in places],
            findings=[self.findings[place] for place in places],
            names=[self.names[place] for place in places],
            patients=[self.patients[place] for place in places],
            calibration=self.calibration[places],
        )

    def describe(self) -> dict[str, Any]:
        """Counts of the split: images, patients, positives per class, boxes, images left out; and its fingerprint."""
        return {
            "images": len(self),
            "patients": len(set(self.patients)),
            "positives": dict(zip(self.classes, self.labels.sum(axis=0).astype(int).tolist(), strict=True)),
            "boxes": sum(map(len, self.boxes)),
            "left_out": len(self.bad),
            "fingerprint": fingerprint(self.images, self.rows, self._truth()),
        }

    def _truth(self) -> list[Any]:
        return [self.names, self.patients, self.labels.tolist(), [each.tolist() for each in self.boxes], self.findings]
