"""One split of mask_st's data, whatever its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.images.fingerprint import fingerprint
from trainables.images.image_set import ImageSet


@dataclass(frozen=True, eq=False, kw_only=True)
class Examples(ImageSet):
    """One split; labels are float32 `[N, K]`, 0 or 1, and images have one channel.

    Attributes:
        boxes: per example float32 `[n, 4]`, x0, y0, x1, y1 in pixels of the S×S image; n may be 0.
        findings: per example the n names of what is boxed; not all of them need be classes.
        patients: N patients; no two splits share one.
        calibration: bool `[N]`, the examples on which thresholds are chosen; all false but in validation.
    """

    PER_EXAMPLE_FIELDS = (*ImageSet.PER_EXAMPLE_FIELDS, "boxes", "findings", "patients", "calibration")

    boxes: list[np.ndarray]
    findings: list[tuple[str, ...]]
    patients: list[str]
    calibration: np.ndarray

    def describe(self) -> dict[str, Any]:
        """Count images, patients, positives per class, boxes and images left out; add the fingerprint of all that."""
        return {
            "images": len(self),
            "patients": len(set(self.patients)),
            "positives": dict(zip(self.classes, self.labels.sum(axis=0).astype(int).tolist(), strict=True)),
            "boxes": sum(map(len, self.boxes)),
            "left_out": len(self.bad),
            "fingerprint": fingerprint(self.images, self.rows, self._annotations()),
        }

    def _annotations(self) -> list[Any]:
        """Return everything but the pixels, as plain values; order and form are part of the fingerprint."""
        boxes = [image_boxes.tolist() for image_boxes in self.boxes]
        return [self.names, self.patients, self.labels.tolist(), boxes, self.findings]
