"""Thresholds and scaling of the done signal, chosen on the predictions of calibration images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainables.measuring import multilabel
from trainables.measuring.calibration import Platt, fit_platt_weighted
from trainables.measuring.matching import match_in_order
from trainables.seq_attention.pairs import PairPredictions, Pairs
from trainables.seq_attention.rollout import Rollout


class Thresholds(NamedTuple):
    """Thresholds and scaling of the done signal, chosen on calibration images.

    Attributes:
        done: the done signal from which a single pair counts as done (`done_threshold`).
        rollout: the done signal that ends a roll-out (`rollout_threshold`).
        platt: turns the signal into a probability (`done_scaling`).
    """

    done: float
    rollout: float
    platt: Platt


def done_threshold(pairs: Pairs, predictions: PairPredictions) -> float:
    """Return the done signal from which pairs count as done for the largest F1; not for the pairs that are scored.

    It lies half-way to the next lower signal, because another image's weakest done signal may be a little weaker.
    """
    signal = predictions.done
    threshold = float(multilabel.choose_thresholds(pairs.done[:, None], signal[:, None])[0])
    lower_signals = signal[signal < threshold]
    return (threshold + float(lower_signals.max())) / 2 if pairs.done.any() and len(lower_signals) else threshold


def done_scaling(pairs: Pairs, predictions: PairPredictions) -> Platt:
    """Fit what turns the done signal, as training has balanced and weighed it, into a probability in roll-outs.

    Not a shift of log-odds by the share of done, which is right only if training drew all other k as a roll-out does.
    """
    return fit_platt_weighted(predictions.done, pairs.done, pairs.weight)


def rollout_threshold(rollouts: Sequence[Rollout], truths: Sequence[np.ndarray], radius: float) -> float:
    """Return the done signal at which to stop for the highest F1 of the visits and, on a tie, the best counts.

    A count changes only where the threshold passes a running maximum of its signal, so thresholds half-way between
    neighbouring ones are all that there are, besides one that ends every roll-out at once and one that ends none. On a
    tie in both, the one in the widest gap is taken, as other images' signals differ a little; then the lowest.

    Args:
        rollouts: at least one, run to the limit; not of images that are scored with the threshold.
        truths: of each roll-out the objects `[n, 2]` in its image.
        radius: within which a visit takes an object.

    Returns:
        A finite number.
    """
    running_max = [np.maximum.accumulate(rollout.done) for rollout in rollouts]
    levels = np.unique(np.concatenate(running_max))
    halfway = np.maximum(levels[:-1] + np.diff(levels) / 2, np.nextafter(levels[:-1], np.inf))  # never at the lower one
    thresholds = np.concatenate([levels[:1], halfway, np.nextafter(levels[-1:], np.inf)])
    gaps = np.concatenate([[0.0], np.diff(levels), [0.0]])
    visits = error = hits = np.zeros(len(thresholds), dtype=np.int64)  # whole numbers, so that ties are exact
    for signal, rollout, objects in zip(running_max, rollouts, truths, strict=True):
        counts = np.minimum(np.searchsorted(signal, thresholds), len(rollout.points))
        hits_by_visit = np.cumsum(np.append(0, match_in_order(rollout.points, objects, radius) >= 0))
        visits, hits = visits + counts, hits + hits_by_visit[counts]
        error = error + np.abs(counts - len(objects))
    f1 = 2 * hits / np.maximum(visits + sum(map(len, truths)), 1)
    return float(thresholds[np.lexsort((-gaps, error, -f1))[0]])
