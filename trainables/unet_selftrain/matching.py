"""From picks and true centres to figures: who finds what, average precision, the threshold, and the score at it.

There are two ways to pair picks with true centres. `hits` serves curves over thresholds: it goes by score, so that what
is said of a pick does not depend on weaker ones. `match` serves one fixed threshold: it pairs them as well as possible.
Radii and errors are in the units of the points. No figure is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from trainables.measuring import multilabel
from trainables.measuring.matching import in_turn, near
from trainables.unet_selftrain.picking import Picks


class Matches(NamedTuple):
    """One-to-one pairs, ordered by pick.

    Attributes:
        picked: `[k]`, indices of the picks.
        truths: `[k]`, indices of the true centres.
        distances: `[k]`, all below the radius.
    """

    picked: np.ndarray
    truths: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Score:
    """What the picks of some micrographs at one threshold are worth; where a share is 0 of 0, it is 0.

    Attributes:
        matched: picks that have a true centre of their own within the radius.
        picked: all picks.
        truths: all true centres.
        distance: sum over the matched.
        radius: within which a pick counts.
    """

    matched: int
    picked: int
    truths: int
    distance: float
    radius: float

    @property
    def precision(self) -> float:
        """Share of the picks that are matched."""
        return self.matched / max(self.picked, 1)

    @property
    def recall(self) -> float:
        """Share of the true centres that are matched."""
        return self.matched / max(self.truths, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.matched / max(self.picked + self.truths, 1)

    @property
    def localisation_error(self) -> float:
        """Mean distance of the matched; the radius, which it cannot reach, where none is."""
        return self.distance / self.matched if self.matched else self.radius


def hits(picked: Picks, truth: np.ndarray, radius: float) -> np.ndarray:
    """Which picks find a particle: by descending score, each takes the nearest centre that is free and within reach.

    Args:
        picked: n picks.
        truth: `[m, 2]`, the true centres, in the units of the picks.
        radius: a centre is within reach if it is nearer.

    Returns:
        bool `[n]`.

    Source: the protocol of PASCAL VOC (Everingham et al. 2010), with COCO's choice among free objects alone.
    """
    return in_turn(picked.points, truth, radius) >= 0


def match(picked: np.ndarray, truth: np.ndarray, radius: float) -> Matches:
    """Pair points one to one at the smallest total cost, where a pair costs `min(0, d² − radius²)` (Hungarian method).

    Args:
        picked: `[n, 2]`, in any order.
        truth: `[m, 2]`.
        radius: pairs that are not nearer than this are none.

    Source: Kuhn 1955; a cost clipped at the radius, as Topaz counts its matches.
    """
    pick, centre, distance = near(picked, truth, radius)
    size = len(picked) + len(truth)
    links = coo_array((np.ones(len(pick), dtype=bool), (pick, len(picked) + centre)), shape=(size, size))
    # A pair lies in one connected component, and most components are a pick and its particle: many small problems.
    component = connected_components(links, directed=False)[1][pick]
    order = np.argsort(component, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(component[order])) + 1) if len(order) else []
    best = [group[_assign(pick[group], centre[group], radius**2 - distance[group] ** 2)] for group in groups]
    kept = np.concatenate(best) if best else order
    kept = kept[np.argsort(pick[kept])]
    return Matches(pick[kept], centre[kept], distance[kept])


def average_precision(hits: Sequence[np.ndarray], scores: Sequence[np.ndarray], truths: int) -> float:
    """Precision averaged over the steps of recall, not interpolated, of the picks of all micrographs taken together.

    Args:
        hits: per micrograph bool `[n]`; one without particles has only False and so lowers the precision.
        scores: per micrograph `[n]`.
        truths: number of true centres in all of them. Without any the figure is 0.
    """
    found = np.concatenate([np.zeros(0, dtype=bool), *hits])
    if not found.any():
        return 0.0
    ranked = multilabel.average_precision(found[:, None], np.concatenate(list(scores))[:, None]).micro
    return ranked * int(found.sum()) / truths  # recall there is relative to the particles that are found at all


def average_precision_by_group(
    hits: Sequence[np.ndarray], scores: Sequence[np.ndarray], truths: Sequence[int], groups: Sequence[str]
) -> dict[str, float]:
    """The average precision of each group of micrographs, such as a protein's; a group without particles has none.

    All arguments have one entry per micrograph: `hits` and `scores` as above, `truths` the number of true centres.
    """
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    totals = {group: sum(truths[each] for each in indices) for group, indices in members.items()}
    return {
        group: average_precision([hits[each] for each in indices], [scores[each] for each in indices], totals[group])
        for group, indices in members.items()
        if totals[group]
    }


def choose_threshold(hits: Sequence[np.ndarray], scores: Sequence[np.ndarray], truths: int) -> float:
    """The score from which to pick so that F1 over these micrographs is largest; on a tie the lowest.

    It lies half-way to the next lower score, or to 0, because another micrograph's weakest particle may score a little
    less. The micrographs must not be those that are scored with it afterwards. Without a hit it is just above all
    scores, and without a pick just above 1; it is always finite. The arguments are those of `average_precision`, with
    scores of 0 or more.
    """
    found = np.concatenate([np.zeros(0, dtype=bool), *hits])
    score = np.concatenate([np.zeros(0), *scores])
    if not found.any():
        return float(np.nextafter(score.max() if len(score) else 1.0, np.inf))
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))  # picks with the same score come and go together
    f1 = 2 * np.cumsum(found[order])[last] / (last + 1 + truths)
    lowest = last[np.flatnonzero(f1 == f1.max())[-1]]
    return float(np.append(score[order], 0.0)[lowest : lowest + 2].mean())


def score(picked: Sequence[Picks], truth: Sequence[np.ndarray], radius: float, threshold: float) -> Score:
    """The picks from a threshold on against the true centres `[m, 2]`, summed over micrographs, matched by `match`."""
    kept = [each.points[each.scores >= threshold] for each in picked]
    distances = [match(points, centres, radius).distances for points, centres in zip(kept, truth, strict=True)]
    return Score(
        matched=sum(len(each) for each in distances),
        picked=sum(len(each) for each in kept),
        truths=sum(len(each) for each in truth),
        distance=float(sum(each.sum() for each in distances)),
        radius=radius,
    )


def _assign(rows: np.ndarray, columns: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Indices of the pairs (row, column) that together gain most, no row or column twice; all gains are positive."""
    (row_names, row), (column_names, column) = (np.unique(each, return_inverse=True) for each in (rows, columns))
    table = np.zeros((len(row_names), len(column_names)))
    table[row, column] = gains
    chosen = np.zeros(table.shape, dtype=bool)
    chosen[linear_sum_assignment(table, maximize=True)] = True
    return np.flatnonzero(chosen[row, column])
