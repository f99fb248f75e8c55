"""The pairs (image, k) by which a network is judged: images of which the first k objects are marked.

They are enumerated, the same in every epoch: with a new random k each time, the best epoch would be partly luck.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trainables.seq_attention.orders import sort_objects
from trainables.seq_attention.split import Scenes


class PairPredictions(NamedTuple):
    """Predictions for b pairs.

    Attributes:
        points: float64 `[b, 2]`, the next object, in pixels of the image.
        done: float64 `[b]`, 0 to 1: the done signal, which rises with the probability that all are marked.
    """

    points: np.ndarray
    done: np.ndarray


Locator = Callable[[Sequence[int], Sequence[np.ndarray]], PairPredictions]
"""Predicts the next object of b images, from their indices and the marked points `[k, 2]` of each in their order."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs with their true objects.

    Attributes:
        image: int `[P]`, indices of the images.
        k: int `[P]`, how many objects are marked.
        objects: of each image (not of each pair) its objects `[n, 2]` in their order, in pixels.
    """

    image: np.ndarray
    k: np.ndarray
    objects: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.k)

    @property
    def count(self) -> np.ndarray:
        """Objects in the pair's image, int `[P]`."""
        return np.array([len(self.objects[image]) for image in self.image], dtype=np.int64)

    @property
    def done(self) -> np.ndarray:
        """Pairs in which all objects are marked, bool `[P]`."""
        return self.k == self.count

    @property
    def weight(self) -> np.ndarray:
        """How much of an image's roll-out a pair stands for, float64 `[P]`; of each image they sum to 1.

        In a roll-out k = N comes once in N + 1 predictions, and the image's other pairs share the rest.
        """
        done, share = self.done, 1 / (self.count + 1)
        undone = np.bincount(self.image[~done], minlength=len(self.objects))[self.image]
        return np.where(done, share, (1 - share) / np.maximum(undone, 1))

    def marked_objects(self, pair: int) -> np.ndarray:
        """Return the marked objects `[k, 2]`, in order."""
        return self.objects[self.image[pair]][: self.k[pair]]

    def unmarked_objects(self, pair: int) -> np.ndarray:
        """Return the unmarked objects `[n − k, 2]`, in order: the first one is next."""
        return self.objects[self.image[pair]][self.k[pair] :]


def enumerate_pairs(scenes: Scenes, order: str, row_height: float) -> Pairs:
    """Enumerate of every image the pairs with k = 0, N/4, N/2, 3N/4, N − 1 and N, each once."""
    objects = [points[sort_objects(points, order, row_height)] for points in scenes.points]
    choices = [sorted({0, n // 4, n // 2, 3 * n // 4, max(n - 1, 0), n}) for n in scenes.counts.tolist()]
    image = np.repeat(np.arange(len(scenes)), [len(ks) for ks in choices])
    return Pairs(image, np.array([k for ks in choices for k in ks], dtype=np.int64), objects)


def predict_pairs(locate: Locator, pairs: Pairs, rows: Sequence[int], batch_size: int) -> PairPredictions:
    """Predict some of the pairs, in batches."""
    empty = PairPredictions(np.zeros((0, 2)), np.zeros(0))
    batches = [
        locate([int(pairs.image[row]) for row in batch], [pairs.marked_objects(row) for row in batch])
        for batch in (rows[first : first + batch_size] for first in range(0, len(rows), batch_size))
    ]
    return PairPredictions(*(np.concatenate(column) for column in zip(empty, *batches, strict=True)))
