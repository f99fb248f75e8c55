"""Counting: what is predicted is marked, and the next is asked for, until the done signal fires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainables.seq_attention.pairs import Ask


class Path(NamedTuple):
    """What a roll-out visits in one image.

    Attributes:
        points: float64 `[m, 2]`, in pixels of the image, in the order of the visits.
        done: float64 `[m]` or `[m + 1]`, the done signal before each visit; the last one may have ended the roll-out.
    """

    points: np.ndarray
    done: np.ndarray

    def count(self, threshold: float) -> int:
        """How many points were visited before the signal reached a threshold; all, if it never did."""
        fired = np.flatnonzero(self.done >= threshold)
        return int(fired[0]) if len(fired) else len(self.points)


def roll_out(ask: Ask, places: Sequence[int], limit: int, batch: int, until: float = np.inf) -> list[Path]:
    """Count the objects of some images.

    Args:
        ask: what is asked where the next object is.
        places: of the images.
        limit: of visits; a done signal that never fires ends there.
        batch: images that are asked about together.
        until: the done signal's threshold; infinite to visit as many as the limit allows.
    """
    found: list[Path] = []
    for first in range(0, len(places), batch):
        found += _together(ask, places[first : first + batch], limit, until)
    return found


def _together(ask: Ask, places: Sequence[int], limit: int, until: float) -> list[Path]:
    points: list[list[np.ndarray]] = [[] for _ in places]
    done: list[list[float]] = [[] for _ in places]
    going = list(range(len(places)))
    for _ in range(limit):
        if not going:
            break
        marked = [np.array(points[each], dtype=np.float64).reshape(-1, 2) for each in going]
        answers = ask([places[each] for each in going], marked)
        for each, signal in zip(going, answers.done.tolist(), strict=True):
            done[each].append(signal)
        still = [(each, point) for each, point in zip(going, answers.points, strict=True) if done[each][-1] < until]
        for each, point in still:
            points[each].append(point)
        going = [each for each, _ in still]
    visited = [np.array(each, dtype=np.float64).reshape(-1, 2) for each in points]
    return [Path(*each) for each in zip(visited, map(np.array, done), strict=True)]
