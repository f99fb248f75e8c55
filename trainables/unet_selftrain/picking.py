"""Picking of particles from a map of probabilities: smoothing, then the local maxima.

Nothing here knows how the map relates to the stored micrograph.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from trainables.images.maxima import Picks, pick_maxima
from trainables.unet_selftrain.config import Config

FLOOR = 1e-3
"""Smoothed probabilities below it are no candidates. It bounds the length of lists on large micrographs, and lies far
below any threshold."""


def pick_particles(probabilities: np.ndarray, radius: float, config: Config) -> Picks:
    """Pick the particles of a probability map `[H, W]`, whatever their score; `radius` and picks are in its pixels."""
    scores = smooth(probabilities, config.smoothing * radius)
    return pick_maxima(scores, config.nms_radius * radius, FLOOR)


def smooth(probabilities: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth a map `[H, W]` with a Gaussian of deviation `sigma` in pixels, mirrored at the borders, in float32."""
    # Summed in float64 and rounded to float32, so that flat parts stay flat and rounding makes no maxima there.
    return ndimage.gaussian_filter(probabilities.astype(np.float32), sigma) if sigma else probabilities
