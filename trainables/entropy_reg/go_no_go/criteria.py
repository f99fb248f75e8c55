"""The criteria of a go/no-go: may the regularised config replace its twin? Imports no torch.

Both arms are trained with the same seeds and judged on the same images and probes, so that all comparisons are paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from trainables.entropy_reg.go_no_go.bootstrap import Bootstrap, Interval
from trainables.entropy_reg.go_no_go.verdict import CENTRE_BIASES, Arm, Criterion, Thresholds, Unit, Verdict

RESAMPLES = 10_000
PROBE = "uniform"
"""The kind of probe that decides; the others are reported only."""
UNKNOWN = Interval(math.nan, math.nan, math.nan)


def decide(
    regularised_arm: Arm, twin_arm: Arm, thresholds: Thresholds | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Verdict:
    """Judge a config against its twin.

    GO requires every criterion. Out of domain these are all three given centre biases, because a gain with a single one
    would be due to the given bias and not to the network.

    Raises:
        ValueError: the arms differ in their numbers of seeds, images or probes.
    """
    limits = thresholds or Thresholds()
    _check_pairing(regularised_arm, twin_arm)
    bootstrap = Bootstrap(resamples, seed, limits.confidence)
    pairs = {"in_domain": (regularised_arm.in_domain, twin_arm.in_domain)}
    pairs |= {name: (regularised_arm.out_of_domain[name], twin_arm.out_of_domain[name]) for name in CENTRE_BIASES}
    differences = {name: bootstrap.interval(_difference, *pair) for name, pair in pairs.items()}
    criteria = (
        *_judge_bias(regularised_arm.bias[PROBE], twin_arm.bias[PROBE], limits, bootstrap),
        _judge_in_domain(*pairs["in_domain"], limits, bootstrap),
        *(_judge_out_of_domain(name, differences[name], limits) for name in CENTRE_BIASES),
        _judge_seeds(len(regularised_arm.in_domain), limits),
        finiteness := _judge_finiteness({"regularised": regularised_arm, "twin": twin_arm}),
    )
    reason = _sentence(criteria if finiteness.passed else [finiteness])  # all others fail for that alone
    return Verdict(all(criterion.passed for criterion in criteria), reason, criteria, differences)


def reject_training(reason: str) -> Verdict:
    """Return the verdict of a training that did not finish; `reason` is a clause. The test split was not looked at."""
    criterion = _count("Trainings that did not finish", "0", 1, False, reason)
    return Verdict(False, _sentence([criterion]), (criterion,), {})


def _difference(values: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    return values - baseline


def _relative(values: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Return the change as a share of the baseline; −∞ where that is not above 0, so that it passes no threshold."""
    return np.divide(values - baseline, baseline, out=np.full_like(baseline, -np.inf), where=baseline > 0)


def _judge_bias(
    values: np.ndarray, baseline: np.ndarray, limits: Thresholds, bootstrap: Bootstrap
) -> tuple[Criterion, ...]:
    """Judge the reduction of the bias, as a share and in bits, by its value; the intervals are reported only."""
    twin_bits, name = float(baseline.mean()), "Bias on uniform images, reduction"
    bits = bootstrap.interval(lambda new, old: old - new, values, baseline)
    share = bootstrap.interval(lambda new, old: -_relative(new, old), values, baseline) if twin_bits > 0 else UNKNOWN
    reason = f"bias on uniform images went from {twin_bits:.3f} to {values.mean():.3f} bit"
    if share.value < limits.bias_share or bits.value < limits.bias_bits:
        reason += f", but a reduction by {limits.bias_share:.0%} and {limits.bias_bits:g} bit is required"
    if twin_bits < limits.bias_bits:
        reason = f"the twin's bias is {twin_bits:.3f} bit, below the required reduction of {limits.bias_bits:g}"
        reason += ": nothing to reduce"
    return (
        _criterion(f"{name} as a share", f"≥ {limits.bias_share:.0%}", share, share.value >= limits.bias_share, reason),
        _criterion(name, f"≥ {limits.bias_bits:g} bit", bits, bits.value >= limits.bias_bits, reason, "bits"),
    )


def _judge_in_domain(values: np.ndarray, baseline: np.ndarray, limits: Thresholds, bootstrap: Bootstrap) -> Criterion:
    """Judge the loss of information gain by its value and by the lower end of its interval."""
    twin_bits = float(baseline.mean())
    change = bootstrap.interval(_relative, values, baseline) if twin_bits > 0 else UNKNOWN
    passes = twin_bits > 0 and change.value >= -limits.loss and change.low > -limits.loss_low
    reason = f"information gain in domain changed by {change.value:+.1%} of {twin_bits:.3f} bit"
    if change.low == -math.inf or twin_bits <= 0:
        reason = f"the twin's information gain in domain, {twin_bits:.3f} bit, is not clearly above 0"
        reason += ": no share can be judged"
    elif change.value < -limits.loss:
        reason += f", and no more than {limits.loss:.0%} may be lost"
    elif not passes:
        reason += f", but {change.low:+.1%} is within its interval, and −{limits.loss_low:.0%} may not be"
    threshold = f"≥ −{limits.loss:.0%}, lower end > −{limits.loss_low:.0%}"
    return _criterion("Information gain in domain, change as a share", threshold, change, passes, reason)


def _judge_out_of_domain(centre_bias: str, change: Interval, limits: Thresholds) -> Criterion:
    """Judge the gain out of domain with a given centre bias by its interval."""
    passes = change.low > 0
    position = "interval above 0" if passes else "interval below 0" if change.high < 0 else "0 within its interval"
    reason = f"out of domain {change.value:+.3f} bit with {centre_bias} centre bias, {position}"
    name = f"Information gain out of domain, {centre_bias} centre bias"
    return _criterion(name, f"> 0, {limits.confidence:.0%} interval too", change, passes, reason, "bits")


def _judge_seeds(count: int, limits: Thresholds) -> Criterion:
    passes = count >= limits.seeds
    reason = f"{count} seeds in each arm" if passes else f"too few seeds: {count} in each arm, {limits.seeds} required"
    return _count("Seeds in each arm", f"≥ {limits.seeds}", count, passes, reason)


def _judge_finiteness(arms: Mapping[str, Arm]) -> Criterion:
    counts = {
        f"{arm_name}: {name}": int((~np.isfinite(values)).sum())
        for arm_name, arm in arms.items()
        for name, values in arm.arrays.items()
    }
    bad = [name for name, count in counts.items() if count]
    reason = f"values that are not finite, first {bad[0]}: nothing can be judged" if bad else "all values are finite"
    return _count("Values that are not finite", "0", sum(counts.values()), not bad, reason)


def _criterion(
    name: str, threshold: str, interval: Interval, passes: bool, reason: str, unit: Unit = "share"
) -> Criterion:
    return Criterion(name, threshold, *interval, bool(passes), reason.replace("-", "−"), unit)


def _count(name: str, threshold: str, count: float, passes: bool, reason: str) -> Criterion:
    return Criterion(name, threshold, count, math.nan, math.nan, passes, reason, "number")


def _sentence(criteria: Iterable[Criterion]) -> str:
    """Join the reasons of all criteria that failed, each once; if none did, of all that measure something."""
    failures = [criterion.reason for criterion in criteria if not criterion.passed]
    reasons = failures or [criterion.reason for criterion in criteria if criterion.unit != "number"]
    sentence = "; ".join(dict.fromkeys(reasons))
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _check_pairing(regularised_arm: Arm, twin_arm: Arm) -> None:
    shapes = [{name: values.shape for name, values in arm.arrays.items()} for arm in (regularised_arm, twin_arm)]
    seeds = {shape[0] for arm_shapes in shapes for shape in arm_shapes.values()}
    if shapes[0] != shapes[1] or len(seeds) != 1:
        raise ValueError(f"the arms are not paired: {shapes[0]} and {shapes[1]}")
