"""The questions that a network is judged by: images of which the first k objects are marked.

They are enumerated, the same in every epoch: with a new random k each time, the best epoch would be partly luck.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trainables.seq_attention.orders import arranged
from trainables.seq_attention.scenes import Scenes


class Answers(NamedTuple):
    """What is said to b questions.

    Attributes:
        points: float64 `[b, 2]`, where the next object is, in pixels of the image.
        done: float64 `[b]`, 0 to 1: the done signal, which rises with the probability that all are marked.
    """

    points: np.ndarray
    done: np.ndarray


Ask = Callable[[Sequence[int], Sequence[np.ndarray]], Answers]
"""Anything that can be judged: b places of images, and of each the marked points `[k, 2]` in their order → answers."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """P questions with their right answers.

    Attributes:
        image: int `[P]`, places of the images.
        k: int `[P]`, how many are marked.
        ordered: of each image (not of each pair) its objects `[n, 2]` in their order, in pixels.
    """

    image: np.ndarray
    k: np.ndarray
    ordered: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.k)

    @property
    def count(self) -> np.ndarray:
        """int `[P]`: objects in the pair's image."""
        return np.array([len(self.ordered[place]) for place in self.image], dtype=np.int64)

    @property
    def done(self) -> np.ndarray:
        """bool `[P]`: nothing is left."""
        return self.k == self.count

    @property
    def weight(self) -> np.ndarray:
        """float64 `[P]`: how much of an image's roll-out a pair stands for; of each image they sum to 1.

        k = N comes once in N + 1 questions, and what is left is shared by the image's other pairs.
        """
        done, share = self.done, 1 / (self.count + 1)
        others = np.bincount(self.image[~done], minlength=len(self.ordered))[self.image]
        return np.where(done, share, (1 - share) / np.maximum(others, 1))

    def marked(self, pair: int) -> np.ndarray:
        """The marked objects `[k, 2]`, in order."""
        return self.ordered[self.image[pair]][: self.k[pair]]

    def left(self, pair: int) -> np.ndarray:
        """The others `[n − k, 2]`, in order: the first one is next."""
        return self.ordered[self.image[pair]][self.k[pair] :]


def enumerated(scenes: Scenes, order: str, row_height: float) -> Pairs:
    """Of every image the pairs with k = 0, N/4, N/2, 3N/4, N − 1 and N, each once."""
    ordered = [points[arranged(points, order, row_height)] for points in scenes.points]
    counts = scenes.counts
    asked = [sorted({0, n // 4, n // 2, 3 * n // 4, max(n - 1, 0), n}) for n in counts.tolist()]
    image = np.repeat(np.arange(len(scenes)), [len(each) for each in asked])
    return Pairs(image, np.array([k for each in asked for k in each], dtype=np.int64), ordered)


def answered(ask: Ask, pairs: Pairs, rows: Sequence[int], batch: int) -> Answers:
    """The answers to some of the pairs, asked in batches."""
    nothing = Answers(np.zeros((0, 2)), np.zeros(0))
    parts = [
        ask([int(pairs.image[row]) for row in part], [pairs.marked(row) for row in part])
        for part in (rows[first : first + batch] for first in range(0, len(rows), batch))
    ]
    return Answers(*(np.concatenate(column) for column in zip(nothing, *parts, strict=True)))
