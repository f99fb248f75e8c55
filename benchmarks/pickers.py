"""Pickers that learn nothing but a few numbers: Laplacian of Gaussian, and Otsu's threshold with connected components.

Their numbers are tuned on the training micrographs, by the average precision of what is known there, and the score from
which to pick on validation's calibration micrographs: just what a network is given.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from trainables.unet_selftrain import matching, picking
from trainables.unet_selftrain.micrographs import Micrographs
from trainables.unet_selftrain.picking import Picks

SIGMAS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)  # of particle radii; a disc's best is 1/√2 (Lindeberg 1998)
SPACINGS = (0.7, 1.0, 1.3)
SIGNS = (1.0, -1.0)  # dark or bright particles
AREAS = (0.05, 0.2, 0.5)  # of a particle's disc

Picker = Callable[..., Picks]
"""From a micrograph's z-score `[H, W]`, the radius in its pixels, and numbers to tune: picks in its pixels."""


class Judged(NamedTuple):
    """How well some micrographs are picked; the threshold is the calibration micrographs'."""

    average_precision: float
    f1: float
    precision: float
    recall: float
    error_px: float


def laplacian_of_gaussian(image: np.ndarray, radius: float, *, sigma: float, spacing: float, sign: float) -> Picks:
    """Maxima of the Laplacian at one scale.

    Source: Lindeberg 1998, feature detection with automatic scale selection; here the scale is tuned.
    """
    response = sign * ndimage.gaussian_laplace(image, sigma * radius)
    return picking.picks(response, spacing * radius, floor=0.0)


def otsu(image: np.ndarray, radius: float, *, sigma: float, area: float, sign: float) -> Picks:
    """Centres of the connected components beyond Otsu's threshold, scored by their mean distance from it.

    The threshold is the method, so all of them are picked; a second one on the scores would prefer ice.

    Source: Otsu 1979.
    """
    from skimage.filters import threshold_otsu  # noqa: PLC0415  (of the benchmarks' own requirements)

    smooth = -sign * ndimage.gaussian_filter(image, sigma * radius)
    beyond = smooth - threshold_otsu(smooth)
    labels, count = ndimage.label(beyond > 0)
    index = np.arange(1, count + 1)
    large = index[ndimage.sum_labels(beyond > 0, labels, index) >= area * np.pi * radius**2]
    if not len(large):
        return Picks(np.zeros((0, 2)), np.zeros(0))
    centres = np.array(ndimage.center_of_mass(beyond > 0, labels, large))[:, ::-1]
    scores = ndimage.mean(beyond, labels, large)
    order = np.argsort(-scores, kind="stable")
    return Picks(centres[order], scores[order])


GRIDS: Mapping[str, tuple[Picker, Mapping[str, Sequence[float]]]] = {
    "Laplacian of Gaussian": (laplacian_of_gaussian, {"sigma": SIGMAS, "spacing": SPACINGS, "sign": SIGNS}),
    "Otsu, connected components": (otsu, {"sigma": SIGMAS, "area": AREAS, "sign": SIGNS}),
}


def tuned(name: str, train: Micrographs) -> tuple[Mapping[str, float], float]:
    """The numbers of a grid with the highest average precision on the known particles, and that figure."""
    picker, grid = GRIDS[name]
    choices = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    figures = [_average_precision(_picked(picker, train, choice), train.known, train.radius) for choice in choices]
    best = int(np.argmax(figures))
    return choices[best], figures[best]


def judged(name: str, numbers: Mapping[str, float], calibration: Micrographs, held_back: Micrographs) -> Judged:
    """A tuned picker on held-back micrographs."""
    picker, _ = GRIDS[name]
    chosen, found = (_picked(picker, each, numbers) for each in (calibration, held_back))
    truths = [[each.truth(place) for place in range(len(each))] for each in (calibration, held_back)]
    radius = held_back.radius
    hits = [matching.hits(picks, truth, radius) for picks, truth in zip(chosen, truths[0], strict=True)]
    threshold = matching.choose_threshold(hits, [each.scores for each in chosen], sum(map(len, truths[0])))
    if picker is otsu:
        threshold = 0.0
    score = matching.score(found, truths[1], radius, threshold)
    return Judged(
        _average_precision(found, truths[1], radius), score.f1, score.precision, score.recall, score.localisation_error
    )


def _picked(picker: Picker, micrographs: Micrographs, numbers: Mapping[str, float]) -> list[Picks]:
    """In pixels of the stored micrographs."""
    radius = micrographs.radius / micrographs.downsample
    found = [picker(micrographs.image(place), radius, **numbers) for place in range(len(micrographs))]
    return [Picks(micrographs.stored(each.points), each.scores) for each in found]


def _average_precision(found: Sequence[Picks], truth: Sequence[np.ndarray], radius: float) -> float:
    hits = [matching.hits(picks, centres, radius) for picks, centres in zip(found, truth, strict=True)]
    return matching.average_precision(hits, [each.scores for each in found], sum(map(len, truth)))
