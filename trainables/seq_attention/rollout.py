"""Counting: what is predicted is marked, and the next object is predicted, until the done signal fires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainables.seq_attention.pairs import Locator


class Rollout(NamedTuple):
    """The visits of a roll-out in one image.

    Attributes:
        points: float64 `[m, 2]`, in pixels of the image, in the order of the visits.
        done: float64 `[m]` or `[m + 1]`, the done signal before each visit; the last one may have ended the roll-out.
    """

    points: np.ndarray
    done: np.ndarray

    def count(self, threshold: float) -> int:
        """Count the visits before the signal reached a threshold; all of them, if it never did."""
        at_threshold = np.flatnonzero(self.done >= threshold)
        return int(at_threshold[0]) if len(at_threshold) else len(self.points)


def roll_out(
    locate: Locator, indices: Sequence[int], limit: int, batch_size: int, threshold: float = np.inf
) -> list[Rollout]:
    """Count the objects of some images.

    Args:
        locate: predicts the next object.
        indices: of the images.
        limit: of visits; a roll-out whose done signal never fires ends there.
        batch_size: images that are predicted together.
        threshold: the done signal's threshold; infinite to visit as many as the limit allows.
    """
    rollouts: list[Rollout] = []
    for first in range(0, len(indices), batch_size):
        rollouts += _roll_out_batch(locate, indices[first : first + batch_size], limit, threshold)
    return rollouts


def _roll_out_batch(locate: Locator, indices: Sequence[int], limit: int, threshold: float) -> list[Rollout]:
    points: list[list[np.ndarray]] = [[] for _ in indices]
    done: list[list[float]] = [[] for _ in indices]
    active = list(range(len(indices)))  # positions in `indices` whose signal has not fired
    for _ in range(limit):
        if not active:
            break
        marks = [np.array(points[row], dtype=np.float64).reshape(-1, 2) for row in active]
        predictions = locate([indices[row] for row in active], marks)
        for row, signal in zip(active, predictions.done.tolist(), strict=True):
            done[row].append(signal)
        visits = [
            (row, point) for row, point in zip(active, predictions.points, strict=True) if done[row][-1] < threshold
        ]
        for row, point in visits:
            points[row].append(point)
        active = [row for row, _ in visits]
    return [
        Rollout(np.array(path, dtype=np.float64).reshape(-1, 2), np.array(signal))
        for path, signal in zip(points, done, strict=True)
    ]
