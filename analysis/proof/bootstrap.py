"""The parametric bootstrap of a gain: R whole proofs, simulated with measured variances, as arrays `[R, …]`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

REPEATS = 2000


@dataclass(frozen=True)
class Variances:
    """The variances of results by seed: of the candidates, of the default, and what both have in common."""

    candidates: float
    default: float
    shared: float

    @classmethod
    def of(cls, values: np.ndarray, control: np.ndarray) -> Variances:
        """Estimate them from results `[k, n]` of the candidates and `[m]` of the default."""
        spread, noise = float(values.var(axis=1, ddof=1).mean()), float(control.var(ddof=1))
        return cls(spread, noise, min(float(_shared_variance(values[None], control[None])[0]), spread, noise))

    def simulate(
        self, gains: np.ndarray, seeds: int, default_seeds: int, repeats: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Simulate results `[R, k, seeds]` of candidates with gains `[k]`, and `[R, default_seeds]` of the default."""
        by_seed = rng.normal(0, math.sqrt(self.shared), (repeats, default_seeds))
        own = rng.normal(0, math.sqrt(self.candidates - self.shared), (repeats, len(gains), seeds))
        defaults = rng.normal(0, math.sqrt(self.default - self.shared), by_seed.shape) + by_seed
        return own + by_seed[:, None, :seeds] + gains[:, None], defaults


def align_seeds(
    candidates: Sequence[Mapping[int, float]], default: Mapping[int, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the candidates' results over the n seeds that all share with the default, `[k, n]`, and the default's.

    The default's `[m]` begin with these n seeds.
    """
    shared = sorted(set(default).intersection(*candidates))
    further = sorted(set(default) - set(shared))
    values = np.array([[results[seed] for seed in shared] for results in candidates], dtype=float)
    return values, np.array([default[seed] for seed in [*shared, *further]], dtype=float)


def null_quantiles(
    variances: Variances, shape: tuple[int, int], default_seeds: int, confidence: float
) -> tuple[float, float]:
    """Return the upper quantile of the selected candidate's studentised gain and the lower one of a candidate's.

    Both are simulated with all configs equal. The first is of the candidate selected by its mean, the second of one
    named beforehand.

    Args:
        shape: number of candidates, and of the seeds of each.
    """
    rng, tail = np.random.default_rng(0), (1 - confidence) / 2
    candidates, defaults = variances.simulate(np.zeros(shape[0]), shape[1], default_seeds, REPEATS, rng)
    subset = _studentised_gains(candidates, defaults, candidates.mean(axis=2).argmax(axis=1))
    fixed = _studentised_gains(candidates, defaults, np.zeros(REPEATS, int))
    return float(np.quantile(subset, 1 - tail)), float(np.quantile(fixed, tail))


def seed_deviations(values: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Return the standard deviation between seeds in each of R repeats: of the candidates or the default, the smaller.

    Args:
        values: `[R, k, n]`.
        control: `[R, m]`.
    """
    deviations: np.ndarray = np.sqrt(np.minimum(values.var(axis=2, ddof=1).mean(axis=1), control.var(axis=1, ddof=1)))
    return deviations


def studentise(values: np.ndarray, control: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gain and its standard error in each of R repeats.

    Args:
        values: `[R, k, n]`, results of k candidates over n seeds.
        control: `[R, m]`, results of the default, the first n of them with the seeds of `values`.
        indices: `[R]`, of the candidate whose gain is asked for.
    """
    rows, n, further = np.arange(len(values)), values.shape[2], control.shape[1] - values.shape[2]
    variances = values.var(axis=2, ddof=1)
    # A candidate that varies more than the others keeps its own variance; else the mean of all is the better estimate.
    spread = np.maximum(variances[rows, indices], variances.mean(axis=1))
    noise = control.var(axis=1, ddof=1)
    shared = np.minimum(_shared_variance(values, control), np.minimum(variances.min(axis=1), noise))
    share = np.ones(len(values))
    if further:  # the weight of the default's paired seeds, against its further ones, that gives the least variance
        total = noise / n + noise / further
        numerator = noise / further + shared / n
        share = np.clip(np.divide(numerator, total, out=np.ones_like(total), where=total > 0), 0, 1)
    mean = share * control[:, :n].mean(axis=1)
    variance = spread / n + share**2 * noise / n - 2 * share * shared / n
    if further:
        mean = mean + (1 - share) * control[:, n:].mean(axis=1)
        variance = variance + (1 - share) ** 2 * noise / further
    return values.mean(axis=2)[rows, indices] - mean, np.sqrt(np.maximum(variance, 0))


def _shared_variance(values: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Return the variance by seed that candidates and default have in common, `[R]`: their mean covariance.

    A variance by seed that only the candidates share, as they resemble each other, does not cancel in the gain.
    """
    n = values.shape[2]
    deviations = values - values.mean(axis=2, keepdims=True)
    default = control[:, :n] - control[:, :n].mean(axis=1, keepdims=True)
    covariance: np.ndarray = (deviations * default[:, None]).sum(axis=2).mean(axis=1) / (n - 1)
    return np.maximum(covariance, 0)


def _studentised_gains(values: np.ndarray, control: np.ndarray, indices: np.ndarray) -> np.ndarray:
    gains, errors = studentise(values, control, indices)
    quotients: np.ndarray = np.divide(gains, errors, out=np.zeros_like(gains), where=errors > 0)
    return quotients
