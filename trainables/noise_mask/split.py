"""One split of noise_mask's data, whatever its source: images of one class each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.images.fingerprint import fingerprint
from trainables.images.image_set import ImageSet
from trainables.settings import UsageError


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassImages(ImageSet):
    """One split; labels are int64 `[N]`, indices into `classes`, and names of files are their paths below the root.

    Attributes:
        cue: of synthetic images bool `[N]`, whether the bright corner is that of the image's own class; else None.
        modality: of synthetic images int64 `[N]`, 0 or 1; else None.
    """

    PER_EXAMPLE_FIELDS = (*ImageSet.PER_EXAMPLE_FIELDS, "cue", "modality")

    cue: np.ndarray | None = None
    modality: np.ndarray | None = None

    def describe(self) -> dict[str, Any]:
        """Count the images, those of each class and those left out, and add the split's fingerprint."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return {
            "images": len(self),
            "images_of_class": dict(zip(self.classes, counts.tolist(), strict=True)),
            "left_out": len(self.bad),
            "fingerprint": fingerprint(self.images, self.rows, [self.names, self.labels.tolist(), list(self.classes)]),
        }


def choose_per_class(labels: np.ndarray, count: int, classes: Sequence[str]) -> np.ndarray:
    """Choose the first `count` rows of every class: bool `[N]` for labels int64 `[N]`.

    Raises:
        UsageError: a class has fewer.
    """
    selection = np.zeros(len(labels), dtype=bool)
    for label, name in enumerate(classes):
        rows = np.flatnonzero(labels == label)
        if len(rows) < count:
            raise UsageError(
                f"data.train_per_class={count} asks for more than the {len(rows)} training images of the class "
                f"{name}: lower it, or add images."
            )
        selection[rows[:count]] = True
    return selection
