"""Intervals of figures of two arms that were trained with the same seeds and judged on the same images.

They are of a bootstrap that draws seeds and, independently, images with replacement, the same ones in both arms. Three
seeds drawn with replacement vary less than three new seeds would: they would let one comparison in eight without any
difference pass. So the seeds' deviations from their mean are widened beforehand, by what Student's distribution with as
few seeds asks for; with many seeds that makes no difference.

Source: the bootstrap and its percentile interval are Efron and Tibshirani 1993, chapters 8 and 13; drawing both of two
crossed factors is Owen 2007, The pigeonhole bootstrap; the widening is the expanded percentile interval of Hesterberg
2015, What teachers should know about the bootstrap, applied to the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

AT_ONCE = 500


class Interval(NamedTuple):
    """A figure and the bounds between which the truth lies with some confidence."""

    value: float
    low: float
    high: float


class Bootstrap:
    """Percentile intervals of functions of means over seeds and images."""

    def __init__(self, resamples: int, seed: int, confidence: float) -> None:
        self.resamples, self.seed, self.tail = resamples, seed, (1 - confidence) / 2

    def interval(
        self, figure: Callable[[np.ndarray, np.ndarray], np.ndarray], after: np.ndarray, before: np.ndarray
    ) -> Interval:
        """The figure of the two arms' means, with its interval.

        Args:
            figure: means of both arms, `[n]` each → `[n]`.
            after: of one arm, `[seeds, images]`; before: of the other, its rows and columns paired with it.
        """
        value = float(figure(np.array([after.mean()]), np.array([before.mean()]))[0])
        drawn = self._drawn(_widened(after, self.tail), _widened(before, self.tail))
        low, high = np.quantile(figure(*drawn), [self.tail, 1 - self.tail], method="inverted_cdf")
        return Interval(value, float(low), float(high))

    def _drawn(self, *arms: np.ndarray) -> list[np.ndarray]:
        """The mean of each arm in every resample, `[resamples]`; seeds and images are the same in all arms."""
        rng = np.random.default_rng(self.seed)
        seeds, images = arms[0].shape
        parts: list[list[np.ndarray]] = [[] for _ in arms]
        for start in range(0, self.resamples, AT_ONCE):
            count = min(AT_ONCE, self.resamples - start)
            rows = rng.multinomial(seeds, np.full(seeds, 1 / seeds), count) / seeds
            columns = rng.multinomial(images, np.full(images, 1 / images), count) / images
            for part, arm in zip(parts, arms, strict=True):
                part.append(((rows @ arm) * columns).sum(axis=1))
        return [np.concatenate(part) for part in parts]


def _widened(values: np.ndarray, tail: float) -> np.ndarray:
    """The values with the seeds' means farther from their common mean, see above; a single seed stays as it is."""
    from scipy import stats  # noqa: PLC0415  (its import takes a second)

    count = len(values)
    if count < 2:
        return values
    factor = math.sqrt(count / (count - 1)) * stats.t.ppf(1 - tail, count - 1) / stats.norm.ppf(1 - tail)
    seeds = values.mean(axis=1, keepdims=True)
    widened: np.ndarray = values + (factor - 1) * (seeds - seeds.mean())
    return widened
