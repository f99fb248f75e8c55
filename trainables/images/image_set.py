"""Square images with labels: what the splits of several variants have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from trainables.images.split import DataSplit
from trainables.settings import UsageError, abbreviate

_SAMPLE = 512  # images from which mean and standard deviation are taken


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSet(DataSplit):
    """Images of one split, all of one size, with their labels.

    Attributes:
        images: uint8 `[M, S, S, C]`, M ≥ N, memory-mapped where they are files; may hold others, so go through `rows`
            or `batch`.
        rows: int64 `[N]`; example i is `images[rows[i]]`.
        labels: `[N, …]`.
        classes: names of the K classes, the same in every split.
        mean: mean of the training split's pixels, black being 0 and white 1.
        std: their standard deviation.
    """

    PER_EXAMPLE_FIELDS = (*DataSplit.PER_EXAMPLE_FIELDS, "rows", "labels")

    images: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    mean: float = 0.0
    std: float = 1.0

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copy examples: images uint8 `[B, S, S, C]`, labels `[B, …]`."""
        selection = np.asarray(indices, dtype=np.int64)
        return np.asarray(self.images[self.rows[selection]]), self.labels[selection]

    def standardise(self) -> Self:
        """Return the split with the mean and deviation of its own pixels, of an even sample of the examples.

        Raises:
            UsageError: all pixels are the same.
        """
        sample = np.linspace(0, len(self) - 1, min(len(self), _SAMPLE)).astype(int)
        images = self.batch(sample)[0]
        if images.min() == images.max():  # the deviation of equal floats need not be 0
            raise UsageError(
                f"all pixels of the training images, {abbreviate(self.names)}, are {images.flat[0]} of 255: "
                "give other ones."
            )
        pixels = images / np.float32(255)
        return replace(self, mean=float(pixels.mean()), std=float(pixels.std()))

    def standardise_with(self, train: ImageSet) -> Self:
        """Return the split with the training split's mean and deviation."""
        return replace(self, mean=train.mean, std=train.std)
