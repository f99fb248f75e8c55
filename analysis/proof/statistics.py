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

from analysis.proof.bootstrap import Variances, align_seeds, null_quantiles, seed_deviations, studentise
from trainables.measuring.ranges import UNBOUNDED, MetricRange

Verdict = Literal["better", "no better", "worse", "not decided", "not known"]


@dataclass(frozen=True)
class Interval:
    """A value and the bounds of its confidence interval; the bounds are NaN where there is a single seed."""

    value: float
    low: float
    high: float
    confidence: float = 0.95

    def as_dict(self) -> dict[str, Any]:
        """Convert to plain values for JSON: None instead of NaN."""
        return {key: value if math.isfinite(value) else None for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Gain(Interval):
    """The gain of a config over another, positive where it is better.

    Attributes:
        smallest: the smallest gain of interest; "no better" needs an interval that excludes it. That zero lies inside
            shows nothing: absence of evidence is not evidence of absence (Altman and Bland 1995).
    """

    smallest: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """The verdict by where the interval lies.

        Source: Schuirmann 1987, two one-sided tests, of which "no better" needs the upper one.
        """
        if math.isnan(self.low):
            return "not known"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no better" if self.high <= self.smallest else "not decided"


def mean_interval(values: Sequence[float], confidence: float = 0.95, bounds: MetricRange = UNBOUNDED) -> Interval:
    """Return the mean of independent results with Student's interval, as far as it lies within the metric's range.

    A true mean lies within the range, so cutting the interval there changes nothing about how often it holds it.
    """
    from scipy import stats  # noqa: PLC0415  (its import takes a second)

    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Interval(mean, math.nan, math.nan, confidence)
    half = stats.t.ppf((1 + confidence) / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count)
    return Interval(mean, *_clip(mean - half, mean + half, bounds), confidence)


def default_seed_count(seeds: int, candidates: int) -> int:
    """Return the number of seeds for the default, which takes part in every comparison.

    Source: Dunnett 1955, A multiple comparison procedure for comparing several treatments with a control, section 6:
    the control √k times as often as each of k treatments.
    """
    return math.ceil(seeds * math.sqrt(candidates))


def best_gain(
    candidates: Sequence[Mapping[int, float]],
    default: Mapping[int, float],
    confidence: float = 0.95,
    *,
    winner: int | None = None,
    smallest: float | None = None,
    width: float = math.inf,
) -> tuple[int, Gain]:
    """Return the gain of the best candidate over the default, corrected for the selection.

    The lower bound holds however many of the candidates are equal and whatever selected one of them, the upper one as
    if the winner had been named beforehand. Seeds that winner and default share are paired, as far as the results
    depend on the seed.

    Args:
        candidates: results of each by seed, larger is better; only seeds that all of them and the default have count.
        default: results by seed; its further seeds count too.
        winner: index of the candidate that was selected; None: the one with the best mean.
        smallest: the smallest gain of interest; None: the standard deviation between seeds, of the candidates or of
            the default, whichever is smaller: what another seed changes alone is no reason to change settings.
        width: of the metric's range, which no difference exceeds.

    Returns:
        The index of the winner, and its gain; the bounds are NaN below two shared seeds.
    """
    values, control = align_seeds(candidates, default)
    n = values.shape[1]
    if not n:  # without pairs only the means can be compared
        values = np.array([[float(np.mean(list(results.values())))] for results in candidates])
        control = np.array([float(np.mean(list(default.values())))])
    winner = int(values.mean(axis=1).argmax()) if winner is None else winner
    if n < 2:
        return winner, Gain(float(values[winner].mean() - control.mean()), math.nan, math.nan, confidence)
    gains, errors = studentise(values[None], control[None], np.array([winner]))
    gain, error = float(gains[0]), float(errors[0])
    best_null, fixed_null = null_quantiles(Variances.of(values, control), values.shape, len(control), confidence)
    bounds = _clip(gain - best_null * error, gain - fixed_null * error, MetricRange(-width, width))
    smallest = float(seed_deviations(values[None], control[None])[0]) if smallest is None else smallest
    return winner, Gain(gain, *bounds, confidence, smallest)


def gain(
    config: Mapping[int, float], control: Mapping[int, float], confidence: float = 0.95, *, width: float = math.inf
) -> Gain:
    """Return the gain of a config over a control, neither selected by these results; shared seeds are paired."""
    return best_gain([config], control, confidence, width=width)[1]


def describe_gain(interval: Mapping[str, Any]) -> str:
    """Describe a gain, given as by `Interval.as_dict`, in words."""
    low, high = interval["low"], interval["high"]
    if interval["value"] is None:
        return "gain not known"
    bounds = "" if low is None else f", {interval['confidence']:.0%} interval {low:+.3g} to {high:+.3g}"
    return f"gain {interval['value']:+.3g}{bounds}"


def _clip(low: float, high: float, bounds: MetricRange) -> tuple[float, float]:
    return float(max(low, bounds.low)), float(min(high, bounds.high))
