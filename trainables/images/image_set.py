"""Square images with labels that all trials of a process share: what splits of several variants have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from trainables.settings import UsageError, a_few

_MEASURED = 512  # images from which mean and standard deviation are taken


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSet:
    """Images of one split. Its arrays are read-only, because all trials of a process share them.

    Attributes:
        images: uint8 `[M, S, S, C]`, M ≥ N, memory-mapped where they are files; may hold others, so go through `rows`
            or `batch`.
        rows: int64 `[N]`; example i is `images[rows[i]]`.
        labels: `[N, …]`.
        classes: names of the K classes, the same in every split.
        names: N names, of which no two splits share one.
        bad: name and reason of every image that was left out.
        mean: mean of the training split's pixels, black being 0 and white 1.
        std: their standard deviation.
    """

    OF_EACH: ClassVar[tuple[str, ...]] = ("rows", "labels", "names")
    """Fields that hold something of each example: arrays, lists or None."""

    images: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    names: list[str]
    bad: tuple[tuple[str, str], ...] = ()
    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            for array in value if isinstance(value, list) else [value]:
                if isinstance(array, np.ndarray):
                    array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the examples: images uint8 `[B, S, S, C]`, labels `[B, …]`."""
        chosen = np.asarray(rows, dtype=np.int64)
        return np.asarray(self.images[self.rows[chosen]]), self.labels[chosen]

    def only(self, kept: np.ndarray) -> Self:
        """The examples where `kept`, bool `[N]`, is true; the stored images stay shared."""
        places = np.flatnonzero(kept)
        return replace(self, **{name: _chosen(getattr(self, name), places) for name in self.OF_EACH})

    def measured(self) -> Self:
        """With the mean and deviation of its own pixels, of an even sample of the examples.

        Raises:
            UsageError: all pixels are the same.
        """
        places = np.linspace(0, len(self) - 1, min(len(self), _MEASURED)).astype(int)
        stored = self.batch(places)[0]
        if stored.min() == stored.max():  # the deviation of equal floats need not be 0
            raise UsageError(
                f"all pixels of the training images, {a_few(self.names)}, are {stored.flat[0]} of 255: give other ones."
            )
        pixels = stored / np.float32(255)
        return replace(self, mean=float(pixels.mean()), std=float(pixels.std()))

    def measured_as(self, train: ImageSet) -> Self:
        """With the training split's mean and deviation."""
        return replace(self, mean=train.mean, std=train.std)


def _chosen(values: Any, places: np.ndarray) -> Any:
    if values is None:
        return None
    return [values[place] for place in places] if isinstance(values, list) else values[places]
