"""Pickers that learn nothing but a few numbers: Laplacian of Gaussian, and Otsu's threshold with connected components.

Their numbers are tuned on the training micrographs, by the average precision of the known particles, and the score from
which to pick on validation's calibration micrographs: the data that a network has.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from trainables.images.maxima import Picks, laplacian_of_gaussian
from trainables.unet_selftrain import baselines
from trainables.unet_selftrain.baselines import Grid, Picker
from trainables.unet_selftrain.split import Micrographs

AREAS = (0.05, 0.2, 0.5)  # of a particle's disc


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


PICKERS: Mapping[str, tuple[Picker, Grid]] = {
    baselines.LAPLACIAN: (laplacian_of_gaussian, baselines.GRID),
    "Otsu, connected components": (
        otsu,
        {"sigma": baselines.GRID["sigma"], "area": AREAS, "sign": baselines.GRID["sign"]},
    ),
}


def tune(name: str, train: Micrographs) -> Mapping[str, float]:
    """Choose the numbers of a picker on all training micrographs."""
    return baselines.tune(*PICKERS[name], train)[0]


def score(name: str, numbers: Mapping[str, float], calibration: Micrographs, test: Micrographs) -> dict[str, float]:
    """Score a picker on test micrographs, from the threshold that the calibration micrographs choose."""
    picker, _ = PICKERS[name]
    threshold = 0.0 if picker is otsu else None
    return baselines.score_picker(picker, numbers, calibration, test, threshold)
