"""One split of noise_mask's data, whatever its source: images of one class each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

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
        trainable_classes: bool `[K]`, the classes of which training has images, which alone can be learnt; None: all.
    """

    PER_EXAMPLE_FIELDS = (*ImageSet.PER_EXAMPLE_FIELDS, "cue", "modality")

    cue: np.ndarray | None = None
    modality: np.ndarray | None = None
    trainable_classes: np.ndarray | None = None

    @property
    def class_counts(self) -> np.ndarray:
        """Images of each class, int64 `[K]`."""
        return np.bincount(self.labels, minlength=len(self.classes))

    @property
    def scored_classes(self) -> np.ndarray:
        """The classes that can be learnt and have an image here, bool `[K]`."""
        present: np.ndarray = self.class_counts > 0
        return present if self.trainable_classes is None else present & self.trainable_classes

    @property
    def scored_images(self) -> np.ndarray:
        """The images of a class that can be learnt, bool `[N]`."""
        return self.scored_classes[self.labels]

    def score_as(self, train: ClassImages, split: str) -> Self:
        """Return the split so that only what training can teach is scored.

        Args:
            train: the training split.
            split: name of this one, for the refusal.

        Raises:
            UsageError: no class is left.
        """
        subset = replace(self, trainable_classes=train.class_counts > 0)
        if not subset.scored_classes.any():
            raise UsageError(
                f"no class has images in {split} and in training alike, so there is no accuracy: add images of the "
                f"{len(self.classes)} classes to both."
            )
        return subset

    def describe(self) -> dict[str, Any]:
        """Count the images, those of each class and those left out, and add the split's fingerprint."""
        return {
            "images": len(self),
            "images_of_class": dict(zip(self.classes, self.class_counts.tolist(), strict=True)),
            "classes_scored": int(self.scored_classes.sum()),
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
