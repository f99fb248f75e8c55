"""Pickers that learn nothing but a few numbers: Laplacian of Gaussian, and Otsu's threshold with connected components.

Their numbers are tuned on the training micrographs, by the average precision of the known particles, and the score from
which to pick on validation's calibration micrographs: the data that a network has.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from trainables.unet_selftrain import matching, picking
from trainables.unet_selftrain.picking import Picks
from trainables.unet_selftrain.split import Micrographs

SIGMAS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)  # of particle radii; a disc's best is 1/√2 (Lindeberg 1998)
SPACINGS = (0.7, 1.0, 1.3)
SIGNS = (1.0, -1.0)  # dark or bright particles
AREAS = (0.05, 0.2, 0.5)  # of a particle's disc

Picker = Callable[..., Picks]
"""From a micrograph's z-score `[H, W]`, the radius in its pixels, and numbers to tune: picks in its pixels."""


class PickerScore(NamedTuple):
    """Metrics of a picker on some micrographs, at the threshold of the calibration micrographs."""

    average_precision: float
    f1: float
    precision: float
    recall: float
    error_px: float


def laplacian_of_gaussian(image: np.ndarray, radius: float, *, sigma: float, spacing: float, sign: float) -> Picks:
    """Pick the maxima of the Laplacian at one scale.

    Source: Lindeberg 1998, feature detection with automatic scale selection; here the scale is tuned.
    """
    response = sign * ndimage.gaussian_laplace(image, sigma * radius)
    return picking.pick_maxima(response, spacing * radius, floor=0.0)


def otsu(image: np.ndarray, radius: float, *, sigma: float, area: float, sign: float) -> Picks:
    """Pick the centres of the connected components beyond Otsu's threshold, scored by their mean distance from it.

    The threshold is the method, so all of them are picked; a second one on the scores would prefer ice.

    Source: Otsu 1979.
    """
    from skimage.filters import threshold_otsu  # noqa: PLC0415  (of the benchmarks' own requirements)

    smooth = -sign * ndimage.gaussian_filter(image, sigma * radius)
    excess = smooth - threshold_otsu(smooth)
    labels, count = ndimage.label(excess > 0)
    components = np.arange(1, count + 1)
    large = components[ndimage.sum_labels(excess > 0, labels, components) >= area * np.pi * radius**2]
    if not len(large):
        return Picks(np.zeros((0, 2)), np.zeros(0))
    centres = np.array(ndimage.center_of_mass(excess > 0, labels, large))[:, ::-1]
    scores = ndimage.mean(excess, labels, large)
    order = np.argsort(-scores, kind="stable")
    return Picks(centres[order], scores[order])


GRIDS: Mapping[str, tuple[Picker, Mapping[str, Sequence[float]]]] = {
    "Laplacian of Gaussian": (laplacian_of_gaussian, {"sigma": SIGMAS, "spacing": SPACINGS, "sign": SIGNS}),
    "Otsu, connected components": (otsu, {"sigma": SIGMAS, "area": AREAS, "sign": SIGNS}),
}


def tune(name: str, train: Micrographs) -> tuple[Mapping[str, float], float]:
    """Choose the numbers of a grid with the highest average precision on the known particles; return that, too."""
    picker, grid = GRIDS[name]
    choices = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    precisions = [
        _average_precision(_pick(picker, train, choice), train.known_particles, train.radius) for choice in choices
    ]
    best = int(np.argmax(precisions))
    return choices[best], precisions[best]


def score(name: str, numbers: Mapping[str, float], calibration: Micrographs, test: Micrographs) -> PickerScore:
    """Score a picker on test micrographs, from the threshold that the calibration micrographs choose."""
    picker, _ = GRIDS[name]
    radius, truth = test.radius, _truth(test)
    threshold = 0.0 if picker is otsu else _choose_threshold(_pick(picker, calibration, numbers), calibration)
    picks = _pick(picker, test, numbers)
    at = matching.score_picks(picks, truth, radius, threshold)
    return PickerScore(_average_precision(picks, truth, radius), at.f1, at.precision, at.recall, at.localisation_error)


def _choose_threshold(picks: Sequence[Picks], calibration: Micrographs) -> float:
    truth = _truth(calibration)
    hits = [matching.hits(*pair, calibration.radius) for pair in zip(picks, truth, strict=True)]
    return matching.choose_threshold(hits, [micrograph.scores for micrograph in picks], sum(map(len, truth)))


def _pick(picker: Picker, micrographs: Micrographs, numbers: Mapping[str, float]) -> list[Picks]:
    """Pick the particles of all micrographs, in pixels of the stored ones."""
    images = (micrographs.image(index) for index in range(len(micrographs)))
    picks = [picker(image, micrographs.pixel_radius, **numbers) for image in images]
    return [Picks(micrographs.restore_points(micrograph.points), micrograph.scores) for micrograph in picks]


def _truth(micrographs: Micrographs) -> list[np.ndarray]:
    return [micrographs.particles(index) for index in range(len(micrographs))]


def _average_precision(picks: Sequence[Picks], truth: Sequence[np.ndarray], radius: float) -> float:
    hits = [matching.hits(*pair, radius) for pair in zip(picks, truth, strict=True)]
    return matching.average_precision(hits, [micrograph.scores for micrograph in picks], sum(map(len, truth)))
