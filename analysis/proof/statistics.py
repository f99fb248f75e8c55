"""Statistics of repeated trainings: intervals of a mean, and of the gain of the best of several configs on the default.

With five seeds the usual bootstrap, which resamples the seeds, claims a gain that does not exist far too often (see
`docs/decisions/0010-the-proof.md`, and `python -m benchmarks.proof`). So the whole procedure, including the choice of
the winner, is repeated on simulated results with the measured variances and all gains set to zero (a parametric
bootstrap of the studentised gain; Efron & Tibshirani 1993, sections 6.5 and 12.5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Verdict = Literal["better", "no better", "worse", "not known"]
REPEATS = 2000


@dataclass(frozen=True)
class Interval:
    """A value and the bounds of its confidence interval; the bounds are NaN where there is a single seed."""

    value: float
    low: float
    high: float
    confidence: float = 0.95

    @property
    def verdict(self) -> Verdict:
        """The verdict on a gain: whether zero lies below, inside or above its interval."""
        if math.isnan(self.low):
            return "not known"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no better"

    def as_dict(self) -> dict[str, Any]:
        """Convert to plain values for JSON: None instead of NaN."""
        return {key: value if math.isfinite(value) else None for key, value in asdict(self).items()}


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the mean of independent results with Student's interval."""
    from scipy import stats  # noqa: PLC0415  (its import takes a second)

    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Interval(mean, math.nan, math.nan, confidence)
    half = stats.t.ppf((1 + confidence) / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, confidence)


def default_seed_count(seeds: int, candidates: int) -> int:
    """Return the number of seeds for the default, which takes part in every comparison.

    Source: Dunnett 1955, A multiple comparison procedure for comparing several treatments with a control, section 6:
    the control √k times as often as each of k treatments.
    """
    return math.ceil(seeds * math.sqrt(candidates))


def best_gain(
    candidates: Sequence[Mapping[int, float]], default: Mapping[int, float], confidence: float = 0.95, seed: int = 0
) -> tuple[int, Interval]:
    """Select the candidate with the best mean, and return its gain over the default, corrected for the selection.

    The lower bound holds however many of the candidates are equal, the upper one as if the winner had been named
    beforehand. Seeds that winner and default share are paired, as far as the results depend on the seed.

    Args:
        candidates: results of each by seed, larger is better; only seeds that all of them and the default have count.
        default: results by seed; its further seeds count too.

    Returns:
        The index of the winner, and its gain; the bounds are NaN below two shared seeds.
    """
    shared = sorted(set(default).intersection(*candidates))
    if not shared:  # without pairs only the means can be compared
        means = [float(np.mean(list(results.values()))) for results in candidates]
        winner = int(np.argmax(means))
        return winner, Interval(means[winner] - float(np.mean(list(default.values()))), math.nan, math.nan, confidence)
    further = sorted(set(default) - set(shared))
    values = np.array([[results[s] for s in shared] for results in candidates])
    control = np.array([default[s] for s in [*shared, *further]])
    winner = int(values.mean(axis=1).argmax())
    if len(shared) < 2:
        return winner, Interval(float(values[winner].mean() - control.mean()), math.nan, math.nan, confidence)
    gains, errors = _studentise(values[None], control[None], np.array([winner]))
    gain, error = float(gains[0]), float(errors[0])
    best_null, fixed_null = _simulate_null(values, control, np.random.default_rng(seed))
    tail = (1 - confidence) / 2
    low, high = gain - np.quantile(best_null, 1 - tail) * error, gain - np.quantile(fixed_null, tail) * error
    return winner, Interval(gain, float(low), float(high), confidence)


def gain(config: Mapping[int, float], control: Mapping[int, float], confidence: float = 0.95) -> Interval:
    """Return the gain of a config over a control, neither selected by these results; shared seeds are paired."""
    return best_gain([config], control, confidence)[1]


def describe_gain(interval: Mapping[str, Any]) -> str:
    """Describe a gain, given as by `Interval.as_dict`, in words."""
    low, high = interval["low"], interval["high"]
    if interval["value"] is None:
        return "gain not known"
    bounds = "" if low is None else f", {interval['confidence']:.0%} interval {low:+.3g} to {high:+.3g}"
    return f"gain {interval['value']:+.3g}{bounds}"


def _studentise(values: np.ndarray, control: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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


def _simulate_null(values: np.ndarray, control: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Simulate the studentised gain where all configs are equal.

    Returns:
        The gains of the candidate selected by its mean, and those of a candidate named beforehand, `[REPEATS]` each.
    """
    k, n = values.shape
    spread, noise = values.var(axis=1, ddof=1).mean(), control.var(ddof=1)
    shared = min(float(_shared_variance(values[None], control[None])[0]), spread, noise)
    by_seed = rng.normal(0, math.sqrt(shared), (REPEATS, len(control)))
    candidates = rng.normal(0, math.sqrt(spread - shared), (REPEATS, k, n)) + by_seed[:, None, :n]
    defaults = rng.normal(0, math.sqrt(noise - shared), by_seed.shape) + by_seed
    results = []
    for indices in (candidates.mean(axis=2).argmax(axis=1), np.zeros(REPEATS, int)):
        gains, errors = _studentise(candidates, defaults, indices)
        results.append(np.divide(gains, errors, out=np.zeros_like(gains), where=errors > 0))
    return results[0], results[1]
