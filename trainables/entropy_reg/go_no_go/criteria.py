"""The criteria of go or no-go: is the regularised config good enough to take the place of its twin? Imports no torch.

Both arms are trained with the same seeds and judged on the same images and probes, so that everything is paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trainables.entropy_reg.go_no_go.bootstrap import Bootstrap, Interval

RESAMPLES = 10_000
CENTRE_BIASES = ("uniform", "source", "target")
PROBE = "uniform"
"""The kind of probes that decide; the others are shown."""

Unit = Literal["share", "bits", "number"]


@dataclass(frozen=True)
class Thresholds:
    """What is asked for. The defaults are the project's; shares are of the twin's figure, information is in bits.

    Attributes:
        bias_share: least relative reduction of the bias on uniform probes; bias_bits: least absolute one.
        loss: most that may be lost in domain; loss_low: most that may be lost at the lower end of the interval.
        seeds: fewest trainings of each arm.
        confidence: of every interval.
    """

    bias_share: float = 0.25
    bias_bits: float = 0.05
    loss: float = 0.02
    loss_low: float = 0.04
    seeds: int = 3
    confidence: float = 0.95


@dataclass(frozen=True)
class Arm:
    """What the trainings of one config gave: the regularised one, or its twin without regulariser.

    Attributes:
        in_domain: float64 `[seeds, images]`, information gain over the source's centre bias in bits per fixation.
        out_of_domain: given centre bias (`CENTRE_BIASES`) → float64 `[seeds, images']`, log-likelihood in bits per
            fixation relative to a uniform density. Differences of it are differences of information gain.
        bias: kind of probe → float64 `[seeds, probes]`, information of the density on images without content, bits.
        sigma: learned deviation of the blur by seed; centre_bias_weight: learned weight of the centre bias by seed.
    """

    in_domain: np.ndarray
    out_of_domain: Mapping[str, np.ndarray]
    bias: Mapping[str, np.ndarray]
    sigma: np.ndarray
    centre_bias_weight: np.ndarray

    @property
    def figures(self) -> dict[str, np.ndarray]:
        """All of them, under names for people."""
        outside = {f"out of domain, {name} centre bias": each for name, each in self.out_of_domain.items()}
        bias = {f"bias on {kind} probes": each for kind, each in self.bias.items()}
        learned = {"sigma": self.sigma, "centre-bias weight": self.centre_bias_weight}
        return {"in domain": self.in_domain, **outside, **bias, **learned}


NOT_KNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Criterion:
    """One line of the verdict.

    Attributes:
        name: what is judged; threshold: what is asked for, in words.
        value: what was measured; low, high: its interval, NaN where there is none. All in `unit`.
        reason: a clause that says why it passed or failed.
    """

    name: str
    threshold: str
    value: float
    low: float
    high: float
    passed: bool
    reason: str
    unit: Unit


@dataclass(frozen=True)
class Verdict:
    """The decision.

    Attributes:
        criteria: GO needs all of them.
        reason: one sentence with what decided.
        differences: `in_domain` and every given centre bias out of domain → regularised minus twin, bits per fixation.
    """

    go: bool
    reason: str
    criteria: tuple[Criterion, ...]
    differences: Mapping[str, Interval]


def decide(
    regularised: Arm, twin: Arm, thresholds: Thresholds | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Verdict:
    """Judge a config against its twin.

    GO needs every criterion, and out of domain all three given centre biases: a gain with one of them alone would be
    the given bias's own, not the network's.

    Raises:
        ValueError: the arms were not judged with as many seeds, on as many images and probes.
    """
    asked = thresholds or Thresholds()
    _check_paired(regularised, twin)
    bootstrap = Bootstrap(resamples, seed, asked.confidence)
    pairs = {"in_domain": (regularised.in_domain, twin.in_domain)}
    pairs |= {name: (regularised.out_of_domain[name], twin.out_of_domain[name]) for name in CENTRE_BIASES}
    differences = {name: bootstrap.interval(_difference, *pair) for name, pair in pairs.items()}
    criteria = (
        *_bias(regularised.bias[PROBE], twin.bias[PROBE], asked, bootstrap),
        _in_domain(*pairs["in_domain"], asked, bootstrap),
        *(_out_of_domain(name, differences[name], asked) for name in CENTRE_BIASES),
        _seeds(len(regularised.in_domain), asked),
        finite := _finite({"regularised": regularised, "twin": twin}),
    )
    reason = _sentence(criteria if finite.passed else [finite])  # else all others fail for that alone
    return Verdict(all(each.passed for each in criteria), reason, criteria, differences)


def diverged(reason: str) -> Verdict:
    """The verdict where a training did not come to its end; `reason` is a clause. The test split was not looked at."""
    failed = _count("Trainings that came to no end", "0", 1, False, reason)
    return Verdict(False, _sentence([failed]), (failed,), {})


def _difference(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    return after - before


def _relative(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The change as a share of what was; the worst there is where that is not above 0."""
    return np.divide(after - before, before, out=np.full_like(before, -np.inf), where=before > 0)


def _bias(after: np.ndarray, before: np.ndarray, asked: Thresholds, bootstrap: Bootstrap) -> tuple[Criterion, ...]:
    """Of the reduction, as a share and in bits. Their intervals are shown; the measured values decide."""
    was, name = float(before.mean()), "Bias on uniform images, reduction"
    bits = bootstrap.interval(lambda new, old: old - new, after, before)
    share = bootstrap.interval(lambda new, old: -_relative(new, old), after, before) if was > 0 else NOT_KNOWN
    reason = f"bias on uniform images went from {was:.3f} to {after.mean():.3f} bit"
    if share.value < asked.bias_share or bits.value < asked.bias_bits:
        reason += f", and a reduction by {asked.bias_share:.0%} and {asked.bias_bits:g} bit is asked for"
    if was < asked.bias_bits:
        reason = f"the twin's bias is {was:.3f} bit, below the {asked.bias_bits:g} asked for: nothing to reduce"
    return (
        _criterion(f"{name} as a share", f"≥ {asked.bias_share:.0%}", share, share.value >= asked.bias_share, reason),
        _criterion(name, f"≥ {asked.bias_bits:g} bit", bits, bits.value >= asked.bias_bits, reason, "bits"),
    )


def _in_domain(after: np.ndarray, before: np.ndarray, asked: Thresholds, bootstrap: Bootstrap) -> Criterion:
    was = float(before.mean())
    change = bootstrap.interval(_relative, after, before) if was > 0 else NOT_KNOWN
    passed = was > 0 and change.value >= -asked.loss and change.low > -asked.loss_low
    reason = f"information gain in domain changed by {change.value:+.1%} of {was:.3f} bit"
    if change.low == -math.inf or was <= 0:
        reason = f"the twin's information gain in domain, {was:.3f} bit, is not surely above 0: no share can be judged"
    elif change.value < -asked.loss:
        reason += f", and no more than {asked.loss:.0%} may be lost"
    elif not passed:
        reason += f", but {change.low:+.1%} is within its interval, and −{asked.loss_low:.0%} may not be"
    threshold = f"≥ −{asked.loss:.0%}, lower end > −{asked.loss_low:.0%}"
    return _criterion("Information gain in domain, change as a share", threshold, change, passed, reason)


def _out_of_domain(given: str, change: Interval, asked: Thresholds) -> Criterion:
    passed = change.low > 0
    sure = "surely above 0" if passed else "surely below 0" if change.high < 0 else "0 within its interval"
    reason = f"out of domain {change.value:+.3f} bit with {given} centre bias, {sure}"
    threshold = f"> 0, {asked.confidence:.0%} interval too"
    return _criterion(f"Information gain out of domain, {given} centre bias", threshold, change, passed, reason, "bits")


def _seeds(count: int, asked: Thresholds) -> Criterion:
    passed = count >= asked.seeds
    reason = f"{count} seeds in each arm" if passed else f"too few seeds: {count} in each arm, {asked.seeds} asked for"
    return _count("Seeds in each arm", f"≥ {asked.seeds}", count, passed, reason)


def _finite(arms: Mapping[str, Arm]) -> Criterion:
    wrong = {
        f"{of}: {name}": int((~np.isfinite(each)).sum())
        for of, arm in arms.items()
        for name, each in arm.figures.items()
    }
    bad = [name for name, count in wrong.items() if count]
    reason = f"figures that are not finite, first {bad[0]}: nothing can be judged" if bad else "all figures are finite"
    return _count("Figures that are not finite", "0", sum(wrong.values()), not bad, reason)


def _criterion(
    name: str, threshold: str, figure: Interval, passed: bool, reason: str, unit: Unit = "share"
) -> Criterion:
    return Criterion(name, threshold, *figure, bool(passed), reason.replace("-", "−"), unit)


def _count(name: str, threshold: str, count: float, passed: bool, reason: str) -> Criterion:
    return Criterion(name, threshold, count, math.nan, math.nan, passed, reason, "number")


def _sentence(criteria: Iterable[Criterion]) -> str:
    """What decided: the reasons of all that failed, each once; where none did, those of all but the formal ones."""
    failed = [each.reason for each in criteria if not each.passed]
    told = failed or [each.reason for each in criteria if each.unit != "number"]
    sentence = "; ".join(dict.fromkeys(told))
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _check_paired(one: Arm, other: Arm) -> None:
    shapes = [{name: each.shape for name, each in arm.figures.items()} for arm in (one, other)]
    seeds = {shape[0] for each in shapes for shape in each.values()}
    if shapes[0] != shapes[1] or len(seeds) != 1:
        raise ValueError(f"the arms are not paired: {shapes[0]} and {shapes[1]}")
