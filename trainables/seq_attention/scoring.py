"""From answers and roll-outs to the figures that a trial reports.

Distances are in pixels of the image as stored, and within a radius means nearer than it. Where a share is 0 of 0 it is
0, and so is an error of nothing; no figure is NaN, whatever is asked, as long as the answers are finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainables.measuring import multilabel
from trainables.measuring.calibration import Platt, fit_weighted, scaled
from trainables.measuring.matching import in_turn, near
from trainables.seq_attention.framing import normalised
from trainables.seq_attention.pairs import Answers, Pairs
from trainables.seq_attention.rollout import Path

HALF = 0.5
"""Done signal from which the network, as training balances done, holds it to be more likely than not."""

SAME = 1e-6
"""Normalised distance below which places are the same one, up to rounding."""


class Thresholds(NamedTuple):
    """What is chosen on calibration images.

    Attributes:
        done: the done signal from which a single question is answered with yes (`done_threshold`).
        rollout: the done signal that ends a roll-out (`rollout_threshold`).
        platt: what makes a probability of the signal (`done_scaling`).
    """

    done: float
    rollout: float
    platt: Platt


class Scale(NamedTuple):
    """What answers are measured by.

    Attributes:
        radius: a prediction within it of an object is a hit, in pixels.
        spacing: usual distance of an object to its nearest neighbour in pixels (`Scenes.spacing`); 0: there is none.
        thresholds: what of the done signal other images have chosen.
        limit: of visits in a roll-out.
    """

    radius: float
    spacing: float
    thresholds: Thresholds
    limit: int


def done_threshold(pairs: Pairs, answers: Answers) -> float:
    """The done signal from which to say yes so that F1 is largest on these pairs, not those that are scored with it.

    It lies half-way to the next lower signal, because another image's weakest yes may be a little weaker.
    """
    threshold = float(multilabel.choose_thresholds(pairs.done[:, None], answers.done[:, None])[0])
    below = answers.done[answers.done < threshold]
    return (threshold + float(below.max())) / 2 if pairs.done.any() and len(below) else threshold


def done_scaling(pairs: Pairs, answers: Answers) -> Platt:
    """What turns the done signal, as training has balanced and weighed it, into a probability as roll-outs meet it.

    Not a shift of log-odds by the share of done, which is right only if training drew all other k as a roll-out does.
    """
    return fit_weighted(answers.done, pairs.done, pairs.weight)


def rollout_threshold(paths: Sequence[Path], truths: Sequence[np.ndarray], radius: float) -> float:
    """The done signal at which to stop for the highest F1 of the visits and, on a tie, the count nearest to the truth.

    A count changes only where the threshold passes a running maximum of its signal, so thresholds half-way between
    neighbouring ones are all that there are, besides one that ends every roll-out at once and one that ends none. On a
    tie in both, the one in the widest gap is taken, as other images' signals differ a little; then the lowest.

    Args:
        paths: at least one roll-out, run to the limit; not of images that are scored with the threshold.
        truths: of each path the objects `[n, 2]` in its image.
        radius: within which a visit takes an object.

    Returns:
        A finite number.
    """
    highest = [np.maximum.accumulate(path.done) for path in paths]
    levels = np.unique(np.concatenate(highest))
    halfway = np.maximum(levels[:-1] + np.diff(levels) / 2, np.nextafter(levels[:-1], np.inf))  # never at the lower one
    thresholds = np.concatenate([levels[:1], halfway, np.nextafter(levels[-1:], np.inf)])
    gaps = np.concatenate([[0.0], np.diff(levels), [0.0]])
    visits = error = matched = np.zeros(len(thresholds), dtype=np.int64)  # whole numbers, so that ties are exact
    for signal, path, objects in zip(highest, paths, truths, strict=True):
        counts = np.minimum(np.searchsorted(signal, thresholds), len(path.points))
        found = np.cumsum(np.append(0, in_turn(path.points, objects, radius) >= 0))
        visits, matched = visits + counts, matched + found[counts]
        error = error + np.abs(counts - len(objects))
    f1 = 2 * matched / np.maximum(visits + sum(map(len, truths)), 1)
    return float(thresholds[np.lexsort((-gaps, error, -f1))[0]])


def figures(
    pairs: Pairs, answers: Answers, sizes: np.ndarray, paths: Sequence[Path], truths: Sequence[np.ndarray], scale: Scale
) -> dict[str, float]:
    """All figures of some images, the same keys whatever the answers; `docs/variants/seq_attention.md` explains them.

    Args:
        pairs: questions.
        answers: to them.
        sizes: `[images, 2]`, width and height of the images that `pairs.image` names.
        paths: roll-outs of some images, run at least until `scale.thresholds.rollout`.
        truths: of each path the objects `[n, 2]` in its image.
        scale: what they are measured by; its thresholds were chosen on other images.
    """
    counts = np.array([path.count(scale.thresholds.rollout) for path in paths], dtype=np.int64)
    visited = [path.points[:count] for path, count in zip(paths, counts, strict=True)]
    return {
        **_location(pairs, answers, sizes, scale),
        **_done(pairs, answers, scale.thresholds),
        **_counting(counts, np.array([len(each) for each in truths], dtype=np.int64), scale),
        **_visits(visited, truths, scale.radius),
    }


def _location(pairs: Pairs, answers: Answers, sizes: np.ndarray, scale: Scale) -> dict[str, float]:
    """Of the pairs that have a next object."""
    asked = np.flatnonzero(~pairs.done)
    said = answers.points[asked]
    left = [pairs.left(pair) for pair in asked.tolist()]
    truth = np.array([each[0] for each in left], dtype=np.float64).reshape(-1, 2)
    error = np.hypot(*(said - truth).T)
    nearest = np.array([np.hypot(*(each - point).T).min() for each, point in zip(left, said, strict=True)])
    hit, hit_any = _share(error < scale.radius), _share(nearest < scale.radius)
    median = float(np.median(error)) if len(error) else 0.0
    return {
        "pixel_error_median_px": median,
        "pixel_error_mean_px": _share(error),
        "pixel_error_p90_px": float(np.quantile(error, 0.9)) if len(error) else 0.0,
        "pixel_error_spacing": median / scale.spacing if scale.spacing else 0.0,
        "hit": hit,
        "hit_any": hit_any,
        "hit_half_spacing": _share(error < scale.spacing / 2),
        "hit_any_half_spacing": _share(nearest < scale.spacing / 2),
        "order_gap": hit_any - hit,
        "prediction_spread": _spread(said, truth, sizes[pairs.image[asked]]),
    }


def _spread(said: np.ndarray, truth: np.ndarray, sizes: np.ndarray) -> float:
    """How far predictions are apart, as a share of how far the objects are; 1 where all objects are in one place."""
    apart = [
        np.sqrt(np.square(each - each.mean(axis=0)).sum(axis=1).mean()) if len(each) else 0.0
        for each in (normalised(said, sizes), normalised(truth, sizes))
    ]
    return float(apart[0] / apart[1]) if apart[1] > SAME else 1.0


def _done(pairs: Pairs, answers: Answers, thresholds: Thresholds) -> dict[str, float]:
    done, signal = pairs.done, answers.done
    border = pairs.k >= pairs.count - 1
    said = signal >= thresholds.done
    precision, recall = _share(done[said]), _share(said[done])
    return {
        "done_ap": _average_precision(done, signal),
        "done_prevalence": _share(done),
        "done_ap_border": _average_precision(done[border], signal[border]),
        "done_prevalence_border": _share(done[border]),
        "done_f1": _harmonic(precision, recall),
        "done_precision": precision,
        "done_recall": recall,
        "done_threshold": thresholds.done,
        "done_brier": float(np.average(np.square(scaled(signal, thresholds.platt) - done), weights=pairs.weight)),
        "done_at_half": _share(signal[done] >= HALF),
        "done_not_wanted": _share(signal[~done] >= HALF),
        "done_stops": _share(signal[done] >= thresholds.rollout),
    }


def _average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    return multilabel.average_precision(labels[:, None], scores[:, None]).micro


def _counting(counts: np.ndarray, wanted: np.ndarray, scale: Scale) -> dict[str, float]:
    """Of roll-outs' counts `[images]` against the true ones."""
    error = counts - wanted
    return {
        "count_error": _share(np.abs(error)),
        "count_rmse": float(np.sqrt(_share(np.square(error)))),
        "count_bias": _share(error),
        "count_score": _share(1 - np.minimum(1, np.abs(error) / np.maximum(wanted, 1))),
        "rollout_threshold": scale.thresholds.rollout,
        "rollout_endless": _share(counts >= scale.limit),  # a signal that fires stops before the visit
        "rollout_empty": _share(counts[wanted > 0] == 0),
    }


def _visits(visited: Sequence[np.ndarray], truths: Sequence[np.ndarray], radius: float) -> dict[str, float]:
    """Of the points that roll-outs visit, summed over images; each takes an object in turn."""
    matched = again = 0
    for points, objects in zip(visited, truths, strict=True):
        taken = in_turn(points, objects, radius) >= 0
        within = np.zeros(len(points), dtype=bool)
        within[near(points, objects, radius)[0]] = True
        matched += int(taken.sum())
        again += int((within & ~taken).sum())  # all that was within reach had been taken
    visits, present = sum(map(len, visited)), sum(map(len, truths))
    return {
        "rollout_precision": matched / max(visits, 1),
        "rollout_recall": matched / max(present, 1),
        "rollout_f1": 2 * matched / max(visits + present, 1),
        "rollout_duplicates": again / max(visits, 1),
    }


def _share(of: np.ndarray) -> float:
    """The mean, and of nothing 0."""
    return float(of.mean()) if len(of) else 0.0


def _harmonic(first: float, second: float) -> float:
    return 2 * first * second / (first + second) if first + second else 0.0
