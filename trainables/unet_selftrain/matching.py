"""Matching of picks and true centres, and its metrics: average precision, the threshold, and the score at it.

There are two ways to pair picks with true centres. `hits` serves curves over thresholds: it goes by score, so that the
outcome of a pick does not depend on weaker ones. `match` serves one fixed threshold: it pairs them as well as possible.
Radii and errors are in the units of the points. No metric is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from trainables.images.maxima import Picks
from trainables.measuring import multilabel
from trainables.measuring.matching import match_in_order, pairs_within


class Matches(NamedTuple):
    """One-to-one pairs, ordered by pick.

    Attributes:
        picks: `[k]`, indices of the picks.
        truths: `[k]`, indices of the true centres.
        distances: `[k]`, all below the radius.
    """

    picks: np.ndarray
    truths: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Score:
    """Metrics of the picks of some micrographs at one threshold; a share of 0 of 0 is 0.

    Attributes:
        matches: number of picks that have a true centre of their own within the radius.
        picks: number of all picks.
        truths: number of all true centres.
        distance: sum over the matches.
        radius: within which a pick counts.
    """

    matches: int
    picks: int
    truths: int
    distance: float
    radius: float

    @property
    def precision(self) -> float:
        """Share of the picks that are matched."""
        return self.matches / max(self.picks, 1)

    @property
    def recall(self) -> float:
        """Share of the true centres that are matched."""
        return self.matches / max(self.truths, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.matches / max(self.picks + self.truths, 1)

    @property
    def localisation_error(self) -> float:
        """Mean distance of the matches; the radius, which it cannot reach, where there is none."""
        return self.distance / self.matches if self.matches else self.radius


def hits(picks: Picks, truth: np.ndarray, radius: float) -> np.ndarray:
    """Mark the picks that find a particle: by descending score, each takes the nearest free centre within reach.

    Args:
        picks: n picks.
        truth: `[m, 2]`, the true centres, in the units of the picks.
        radius: a centre is within reach if it is nearer.

    Returns:
        bool `[n]`.

    Source: the protocol of PASCAL VOC (Everingham et al. 2010), with COCO's choice among free objects alone.
    """
    return match_in_order(picks.points, truth, radius) >= 0


def match(points: np.ndarray, truth: np.ndarray, radius: float) -> Matches:
    """Pair points one to one at the smallest total cost, where a pair costs `min(0, d² − radius²)` (Hungarian method).

    Args:
        points: `[n, 2]`, in any order.
        truth: `[m, 2]`.
        radius: the points of a pair are nearer than this.

    Source: Kuhn 1955; a cost clipped at the radius, as Topaz counts its matches.
    """
    pick, centre, distance = pairs_within(points, truth, radius)
    size = len(points) + len(truth)
    links = coo_array((np.ones(len(pick), dtype=bool), (pick, len(points) + centre)), shape=(size, size))
    # A pair lies in one connected component, and most components are a pick and its particle: many small problems.
    component = connected_components(links, directed=False)[1][pick]
    order = np.argsort(component, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(component[order])) + 1) if len(order) else []
    best = [group[_assign(pick[group], centre[group], radius**2 - distance[group] ** 2)] for group in groups]
    pairs = np.concatenate(best) if best else order
    pairs = pairs[np.argsort(pick[pairs])]
    return Matches(pick[pairs], centre[pairs], distance[pairs])


def average_precision(hits: Sequence[np.ndarray], scores: Sequence[np.ndarray], truths: int) -> float:
    """Average precision over the steps of recall, not interpolated, of the picks of all micrographs together.

    Args:
        hits: per micrograph bool `[n]`; one without particles has only False and so lowers the precision.
        scores: per micrograph `[n]`.
        truths: number of true centres in all of them. Without any the result is 0.
    """
    is_hit = np.concatenate([np.zeros(0, dtype=bool), *hits])
    if not is_hit.any():
        return 0.0
    precision = multilabel.average_precision(is_hit[:, None], np.concatenate(list(scores))[:, None]).micro
    return precision * int(is_hit.sum()) / truths  # `multilabel` measures recall among the hits alone


def average_precision_by_group(
    hits: Sequence[np.ndarray], scores: Sequence[np.ndarray], truths: Sequence[int], groups: Sequence[str]
) -> dict[str, float]:
    """Compute the average precision by group of micrographs, such as a protein's; one without particles has none.

    All arguments have one entry per micrograph: `hits` and `scores` as above, `truths` the number of true centres.
    """
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    totals = {group: sum(truths[index] for index in indices) for group, indices in members.items()}
    return {
        group: average_precision(
            [hits[index] for index in indices], [scores[index] for index in indices], totals[group]
        )
        for group, indices in members.items()
        if totals[group]
    }


def choose_threshold(hits: Sequence[np.ndarray], scores: Sequence[np.ndarray], truths: int) -> float:
    """Choose the score from which to pick so that F1 over these micrographs is largest; on a tie the lowest.

    It lies half-way to the next lower score, or to 0, because another micrograph's weakest particle may score a little
    less. The micrographs must not be those that are scored with it afterwards. Without a hit it is just above all
    scores, and without a pick just above 1; it is always finite. The arguments are those of `average_precision`, with
    scores of 0 or more.
    """
    is_hit = np.concatenate([np.zeros(0, dtype=bool), *hits])
    score = np.concatenate([np.zeros(0), *scores])
    if not is_hit.any():
        return float(np.nextafter(score.max() if len(score) else 1.0, np.inf))
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))  # picks with one score are picked together, or not
    f1 = 2 * np.cumsum(is_hit[order])[last] / (last + 1 + truths)
    lowest = last[np.flatnonzero(f1 == f1.max())[-1]]
    return float(np.append(score[order], 0.0)[lowest : lowest + 2].mean())


def score_picks(picks: Sequence[Picks], truth: Sequence[np.ndarray], radius: float, threshold: float) -> Score:
    """Match the picks from a threshold on with the true centres `[m, 2]` by `match`; sum over micrographs."""
    points = [micrograph.points[micrograph.scores >= threshold] for micrograph in picks]
    distances = [match(*pair, radius).distances for pair in zip(points, truth, strict=True)]
    return Score(
        matches=sum(map(len, distances)),
        picks=sum(map(len, points)),
        truths=sum(map(len, truth)),
        distance=float(sum(micrograph.sum() for micrograph in distances)),
        radius=radius,
    )


def _assign(rows: np.ndarray, columns: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Choose the pairs (row, column) that together gain most, no row or column twice: their indices; gains are > 0."""
    (row_names, row), (column_names, column) = (np.unique(names, return_inverse=True) for names in (rows, columns))
    table = np.zeros((len(row_names), len(column_names)))
    table[row, column] = gains
    is_pair = np.zeros(table.shape, dtype=bool)
    is_pair[linear_sum_assignment(table, maximize=True)] = True
    return np.flatnonzero(is_pair[row, column])
