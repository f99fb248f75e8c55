"""What repeated trainings say: intervals of a mean, and of the gain of the best of several configs over the default.

With five seeds the usual bootstrap, resampling the seeds, claims a gain that is not there far too often (see
`docs/decisions/0010-the-proof.md`, and `python -m benchmarks.proof`). So the whole procedure, the choice of the winner
included, is repeated on data drawn from what was measured, with all gains set to zero (a parametric bootstrap of the
studentised gain; Efron & Tibshirani 1993, sections 6.5 and 12.5).
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
    """A value and the bounds between which the truth lies with this confidence; NaN where one seed cannot tell."""

    value: float
    low: float
    high: float
    confidence: float = 0.95

    @property
    def verdict(self) -> Verdict:
        """What the interval of a gain says."""
        if math.isnan(self.low):
            return "not known"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no better"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: None for what is not known."""
        return {key: value if math.isfinite(value) else None for key, value in asdict(self).items()}


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean of independent results with Student's interval."""
    from scipy import stats  # noqa: PLC0415  (its import takes a second)

    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Interval(mean, math.nan, math.nan, confidence)
    half = stats.t.ppf((1 + confidence) / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, confidence)


def default_repeats(seeds: int, candidates: int) -> int:
    """How many seeds the default deserves: it takes part in every comparison.

    Source: Dunnett 1955, A multiple comparison procedure for comparing several treatments with a control, section 6:
    the control √k times as often as each of k treatments.
    """
    return math.ceil(seeds * math.sqrt(candidates))


def best_gain(
    candidates: Sequence[Mapping[int, float]], default: Mapping[int, float], confidence: float = 0.95, seed: int = 0
) -> tuple[int, Interval]:
    """The candidate with the best mean, and its gain over the default, corrected for having been chosen.

    The lower bound holds however many of the candidates are equal, the upper one as if the winner had been named
    beforehand. Seeds that winner and default share are paired, as far as they are seen to matter.

    Args:
        candidates: seed → result of each, larger is better; only seeds that all of them and the default have count.
        default: seed → result; its further seeds count too.

    Returns:
        The index of the winner; NaN for bounds that fewer than two shared seeds cannot give.
    """
    shared = sorted(set(default).intersection(*candidates))
    if not shared:  # paired nowhere: the means are all there is
        means = [float(np.mean(list(each.values()))) for each in candidates]
        winner = int(np.argmax(means))
        return winner, Interval(means[winner] - float(np.mean(list(default.values()))), math.nan, math.nan, confidence)
    further = sorted(set(default) - set(shared))
    values = np.array([[each[s] for s in shared] for each in candidates])
    control = np.array([default[s] for s in [*shared, *further]])
    winner = int(values.mean(axis=1).argmax())
    if len(shared) < 2:
        return winner, Interval(float(values[winner].mean() - control.mean()), math.nan, math.nan, confidence)
    gain, error = (float(each[0]) for each in _gains(values[None], control[None], np.array([winner])))
    chosen, named = _null(values, control, np.random.default_rng(seed))
    tail = (1 - confidence) / 2
    low, high = gain - np.quantile(chosen, 1 - tail) * error, gain - np.quantile(named, tail) * error
    return winner, Interval(gain, float(low), float(high), confidence)


def gain(one: Mapping[int, float], other: Mapping[int, float], confidence: float = 0.95) -> Interval:
    """The gain of one config over another, neither of them chosen by these results; paired where seeds are shared."""
    return best_gain([one], other, confidence)[1]


def gain_words(of: Mapping[str, Any]) -> str:
    """A gain, as `Interval.as_dict` has it, in words."""
    if of["value"] is None:
        return "gain not known"
    bounds = "" if of["low"] is None else f", {of['confidence']:.0%} interval {of['low']:+.3g} to {of['high']:+.3g}"
    return f"gain {of['value']:+.3g}{bounds}"


def _gains(values: np.ndarray, control: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and its standard error in each of R repeats.

    Args:
        values: `[R, k, n]`; control: `[R, m]`, its first n with the seeds of `values`; chosen: `[R]`, the candidate.
    """
    rows, n, further = np.arange(len(values)), values.shape[2], control.shape[1] - values.shape[2]
    own = values.var(axis=2, ddof=1)
    spread = np.maximum(own[rows, chosen], own.mean(axis=1))  # one that is unsteady cannot borrow the others' calm
    noise = control.var(axis=1, ddof=1)
    shared = np.minimum(_shared_variance(values, control), np.minimum(own.min(axis=1), noise))
    share = np.ones(len(values))
    if further:  # how much weight the default's paired seeds get beside its further ones: least variance
        total = noise / n + noise / further
        paired = noise / further + shared / n
        share = np.clip(np.divide(paired, total, out=np.ones_like(total), where=total > 0), 0, 1)
    mean = share * control[:, :n].mean(axis=1)
    variance = spread / n + share**2 * noise / n - 2 * share * shared / n
    if further:
        mean = mean + (1 - share) * control[:, n:].mean(axis=1)
        variance = variance + (1 - share) ** 2 * noise / further
    return values.mean(axis=2)[rows, chosen] - mean, np.sqrt(np.maximum(variance, 0))


def _shared_variance(values: np.ndarray, control: np.ndarray) -> np.ndarray:
    """What a seed does to candidates and default alike: their mean covariance over the shared seeds, `[R]`.

    What it does to the candidates alone, which resemble each other, is no reason to trust their gain.
    """
    n = values.shape[2]
    centred = values - values.mean(axis=2, keepdims=True)
    default = control[:, :n] - control[:, :n].mean(axis=1, keepdims=True)
    covariance: np.ndarray = (centred * default[:, None]).sum(axis=2).mean(axis=1) / (n - 1)
    return np.maximum(covariance, 0)


def _null(values: np.ndarray, control: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The studentised gain where there is none: of the candidate chosen by its mean, and of one named beforehand."""
    k, n = values.shape
    spread, noise = values.var(axis=1, ddof=1).mean(), control.var(ddof=1)
    shared = min(float(_shared_variance(values[None], control[None])[0]), spread, noise)
    by_seed = rng.normal(0, math.sqrt(shared), (REPEATS, len(control)))
    drawn = rng.normal(0, math.sqrt(spread - shared), (REPEATS, k, n)) + by_seed[:, None, :n]
    defaults = rng.normal(0, math.sqrt(noise - shared), by_seed.shape) + by_seed
    results = []
    for which in (drawn.mean(axis=2).argmax(axis=1), np.zeros(REPEATS, int)):
        gains, errors = _gains(drawn, defaults, which)
        results.append(np.divide(gains, errors, out=np.zeros_like(gains), where=errors > 0))
    return results[0], results[1]
