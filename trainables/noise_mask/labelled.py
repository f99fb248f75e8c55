"""One split of noise_mask's data, whatever its source: images of one class each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trainables.fingerprint import fingerprint
from trainables.settings import UsageError


@dataclass(frozen=True, eq=False)
class Labelled:
    """One split. Its arrays are read-only, because all trials of a process share them.

    Attributes:
        images: uint8 `[M, S, S, C]`, M ≥ N, memory-mapped where they are files; go through `rows` or `batch`.
        rows: int64 `[N]`; example i is `images[rows[i]]`.
        labels: int64 `[N]`, places in `classes`.
        classes: names of the K classes, the same in every split.
        names: N names, of which no two splits share one; for files the path below the root.
        bad: name and reason of every image that was left out.
        mean: mean of the training split's pixels, black being 0 and white 1.
        std: their standard deviation.
        cue: of synthetic images bool `[N]`, whether the bright corner is that of the image's own class; else None.
        modality: of synthetic images int64 `[N]`, 0 or 1; else None.
    """

    images: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    names: list[str]
    bad: tuple[tuple[str, str], ...] = ()
    mean: float = 0.0
    std: float = 1.0
    cue: np.ndarray | None = None
    modality: np.ndarray | None = None

    def __post_init__(self) -> None:
        for array in (self.images, self.rows, self.labels, self.cue, self.modality):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the examples: images uint8 `[B, S, S, C]`, labels int64 `[B]`."""
        chosen = np.asarray(rows, dtype=np.int64)
        return np.asarray(self.images[self.rows[chosen]]), self.labels[chosen]

    def only(self, kept: np.ndarray) -> Labelled:
        """The examples where `kept`, bool `[N]`, is true; the stored images stay shared."""
        places = np.flatnonzero(kept)
        return replace(
            self,
            rows=self.rows[places],
            labels=self.labels[places],
            names=[self.names[place] for place in places],
            cue=None if self.cue is None else self.cue[places],
            modality=None if self.modality is None else self.modality[places],
        )

    def describe(self) -> dict[str, Any]:
        """Counts of the split: images, images of each class, images left out; and its fingerprint."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return {
            "images": len(self),
            "images_of_class": dict(zip(self.classes, counts.tolist(), strict=True)),
            "left_out": len(self.bad),
            "fingerprint": fingerprint(self.images, self.rows, [self.names, self.labels.tolist(), list(self.classes)]),
        }


def first_of_each(labels: np.ndarray, number: int, classes: Sequence[str]) -> np.ndarray:
    """The first `number` rows of every class: bool `[N]` for labels int64 `[N]`.

    Raises:
        UsageError: a class has fewer.
    """
    kept = np.zeros(len(labels), dtype=bool)
    for label, name in enumerate(classes):
        places = np.flatnonzero(labels == label)
        if len(places) < number:
            raise UsageError(
                f"data.train_per_class={number} asks for more than the {len(places)} training images of the class "
                f"{name}: lower it, or add images."
            )
        kept[places[:number]] = True
    return kept
