"""How many seeds would decide a proof: its power, by simulation with the measured gains and variances.

Planning from a pilot's variance is usual (Julious 2004, Sample sizes for clinical trials with normal data); simulation
instead of a formula includes the choice of the winner, the further seeds of the default, and shared seeds. The measured
gain is taken for the true one: so the count is no evidence (Hoenig and Heisey 2001, The abuse of power), and only says
what to expect of more seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.proof.bootstrap import Variances, align_seeds, null_quantiles, seed_deviations, studentise
from analysis.proof.statistics import default_seed_count

POWER = 0.8
"""Share of proofs that should be decided."""

MAX_SEEDS = 256
"""Seeds per candidate up to which is searched; who needs more has found a difference that does not matter."""

REPEATS = 400
"""Simulated proofs for each number of seeds: a standard error of two points at the power above."""


def seeds_to_decide(
    candidates: Sequence[Mapping[int, float]],
    default: Mapping[int, float],
    smallest: float | None = None,
    confidence: float = 0.95,
) -> int | None:
    """Return the number of seeds per candidate with which most proofs would be decided, were gains as measured.

    Args:
        candidates: results of each by seed, larger is better; at least two seeds are shared with the default.
        default: results by seed.
        smallest: the smallest gain of interest; None: the standard deviation between seeds, as in `best_gain`.

    Returns:
        More than there are now; None where `MAX_SEEDS` do not suffice.
    """
    values, control = align_seeds(candidates, default)
    variances, gains = Variances.of(values, control), values.mean(axis=1) - control.mean()
    low, high = values.shape[1], values.shape[1] + 1
    while decided_share(variances, gains, high, smallest, confidence) < POWER:
        if high >= MAX_SEEDS:
            return None
        low, high = high, min(2 * high, MAX_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        if decided_share(variances, gains, middle, smallest, confidence) < POWER:
            low = middle
        else:
            high = middle
    return high


def decided_share(
    variances: Variances, gains: np.ndarray, seeds: int, smallest: float | None, confidence: float
) -> float:
    """Return the share of simulated proofs over some seeds that end with a verdict.

    Args:
        gains: `[k]`, the true gains of the candidates.
    """
    default_seeds = default_seed_count(seeds, len(gains))
    best_null, fixed_null = null_quantiles(variances, (len(gains), seeds), default_seeds, confidence)
    values, control = variances.simulate(gains, seeds, default_seeds, REPEATS, np.random.default_rng(1))
    gain, error = studentise(values, control, values.mean(axis=2).argmax(axis=1))
    low, high = gain - best_null * error, gain - fixed_null * error
    bound = seed_deviations(values, control) if smallest is None else smallest
    return float(((low > 0) | (high < 0) | (high <= bound)).mean())
