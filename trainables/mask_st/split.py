"""One split of mask_st's data, whatever its source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from trainables.images.fingerprint import fingerprint
from trainables.images.image_set import ImageSet
from trainables.settings import UsageError


@dataclass(frozen=True, eq=False, kw_only=True)
class Examples(ImageSet):
    """One split; labels are float32 `[N, K]`, 0 or 1, and images have one channel.

    Attributes:
        boxes: per example float32 `[n, 4]`, x0, y0, x1, y1 in pixels of the S×S image; n may be 0.
        findings: per example the n names of what is boxed; not all of them need be classes.
        patients: N patients; no two splits share one.
        calibration: bool `[N]`, the examples on which thresholds are chosen; all false but in validation.
        trainable_classes: bool `[K]`, the classes that some training examples have and others lack, which alone can be
            learnt; None: all.
    """

    PER_EXAMPLE_FIELDS = (*ImageSet.PER_EXAMPLE_FIELDS, "boxes", "findings", "patients", "calibration")

    boxes: list[np.ndarray]
    findings: list[tuple[str, ...]]
    patients: list[str]
    calibration: np.ndarray
    trainable_classes: np.ndarray | None = None

    @property
    def varying_classes(self) -> np.ndarray:
        """The classes that some examples have and others lack, bool `[K]`: no other has an AUROC."""
        counts = self.labels.sum(axis=0)
        varying: np.ndarray = (counts > 0) & (counts < len(self))
        return varying

    @property
    def scored_classes(self) -> np.ndarray:
        """The classes that can be learnt and have an AUROC here, bool `[K]`."""
        return self.varying_classes if self.trainable_classes is None else self.varying_classes & self.trainable_classes

    def score_as(self, train: Examples, split: str) -> Self:
        """Return the split so that only what training can teach is scored.

        Args:
            train: the training split.
            split: name of this one, for the refusal.

        Raises:
            UsageError: no class is left.
        """
        subset = replace(self, trainable_classes=train.varying_classes)
        if not subset.scored_classes.any():
            raise UsageError(
                f"none of the {len(self.classes)} classes has images with and without it in training"
                f"{'' if split == 'train' else f' and in {split} alike'}, so there is no AUROC: add images, or take "
                "another data.split_seed."
            )
        return subset

    def describe(self) -> dict[str, Any]:
        """Count images, patients, positives per class, boxes and images left out; add the fingerprint of all that."""
        return {
            "images": len(self),
            "patients": len(set(self.patients)),
            "positives": dict(zip(self.classes, self.labels.sum(axis=0).astype(int).tolist(), strict=True)),
            "boxes": sum(map(len, self.boxes)),
            "calibration": int(self.calibration.sum()),
            "classes_scored": int(self.scored_classes.sum()),
            "left_out": len(self.bad),
            "fingerprint": fingerprint(self.images, self.rows, self._annotations()),
        }

    def _annotations(self) -> list[Any]:
        """Return everything but the pixels, as plain values; order and form are part of the fingerprint."""
        boxes = [image_boxes.tolist() for image_boxes in self.boxes]
        return [self.names, self.patients, self.labels.tolist(), boxes, self.findings]
