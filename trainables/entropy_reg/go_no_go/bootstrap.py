"""Confidence intervals for statistics of two arms that were trained with the same seeds and judged on the same images.

The bootstrap resamples seeds and, independently, images with replacement, the same ones in both arms. Three seeds drawn
with replacement vary less than three new seeds would: with them alone, one comparison in eight without any difference
would pass. Therefore the seeds' deviations from their mean are widened beforehand, by the factor that Student's
distribution requires for so few seeds; with many seeds the factor is close to 1.

Source: the bootstrap and its percentile interval are Efron and Tibshirani 1993, chapters 8 and 13; resampling two
crossed factors is Owen 2007, The pigeonhole bootstrap; the widening is the expanded percentile interval of Hesterberg
2015, What teachers should know about the bootstrap, applied to the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

CHUNK = 500
"""Resamples that are computed at a time, which bounds the memory."""


class Interval(NamedTuple):
    """A value and the bounds of its confidence interval."""

    value: float
    low: float
    high: float


class Bootstrap:
    """Percentile intervals of functions of means over seeds and images."""

    def __init__(self, resamples: int, seed: int, confidence: float) -> None:
        self.resamples, self.seed, self.tail = resamples, seed, (1 - confidence) / 2

    def interval(
        self, statistic: Callable[[np.ndarray, np.ndarray], np.ndarray], values: np.ndarray, baseline: np.ndarray
    ) -> Interval:
        """Compute a statistic of the means of two arms, with its interval.

        Args:
            statistic: means of both arms, `[n]` each → `[n]`.
            values: of one arm, `[seeds, images]`.
            baseline: of the other, its rows and columns paired with those of `values`.
        """
        estimate = float(statistic(np.array([values.mean()]), np.array([baseline.mean()]))[0])
        means = self._resample_means(_widen_seeds(values, self.tail), _widen_seeds(baseline, self.tail))
        low, high = np.quantile(statistic(*means), [self.tail, 1 - self.tail], method="inverted_cdf")
        return Interval(estimate, float(low), float(high))

    def _resample_means(self, *arms: np.ndarray) -> list[np.ndarray]:
        """Compute the mean of each arm in every resample, `[resamples]`; all arms share seeds and images."""
        rng = np.random.default_rng(self.seed)
        seeds, images = arms[0].shape
        parts: list[list[np.ndarray]] = [[] for _ in arms]
        for start in range(0, self.resamples, CHUNK):
            count = min(CHUNK, self.resamples - start)
            # A resample is how often each row and column occurs in it, so its mean is a weighted one.
            rows = rng.multinomial(seeds, np.full(seeds, 1 / seeds), count) / seeds
            columns = rng.multinomial(images, np.full(images, 1 / images), count) / images
            for part, arm in zip(parts, arms, strict=True):
                part.append(((rows @ arm) * columns).sum(axis=1))
        return [np.concatenate(part) for part in parts]


def _widen_seeds(values: np.ndarray, tail: float) -> np.ndarray:
    """Move the seeds' means away from their common mean, as the module says; a single seed stays as it is."""
    from scipy import stats  # noqa: PLC0415  (its import takes a second)

    count = len(values)
    if count < 2:
        return values
    factor = math.sqrt(count / (count - 1)) * stats.t.ppf(1 - tail, count - 1) / stats.norm.ppf(1 - tail)
    seed_means = values.mean(axis=1, keepdims=True)
    result: np.ndarray = values + (factor - 1) * (seed_means - seed_means.mean())
    return result
