"""Targets: particles as discs or Gaussians around their centres.

A target is int8 `[H, W]`, in percent: 0 to 100 says how positive a pixel is, −1 (`IGNORE`) that nothing is known of it.
Centres are (x, y) in pixels of the array, x to the right; whole numbers are the centres of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.split import Micrographs

IGNORE = -1
POSITIVE = 100
HALF = POSITIVE // 2  # from here on a pixel of a Gaussian is counted as positive
MIN_RADIUS = math.sqrt(0.5)  # a smaller disc may hold no pixel's centre, and its particle would be lost
_REACH = math.sqrt(2 * math.log(200))  # deviations from the centre, where a Gaussian falls below half a percent


def render(shape: tuple[int, int], centres: np.ndarray, radius: float, config: Config) -> np.ndarray:
    """Render the target of particles whose surroundings are negative: int8 `[H, W]`, 0 to 100.

    `target=disc`: 100 within `target_scale`·radius of a centre. `target=gaussian`: exp(−d²/2σ²) with σ half of that,
    the highest value where particles overlap. Particles are cut off at the border.

    Args:
        shape: height and width.
        centres: `[n, 2]`.
        radius: of a particle, in pixels of this array.
        config: shape and scale of a particle's target.
    """
    extent = max(config.target_scale * radius, MIN_RADIUS)
    if config.target == "disc":
        return np.where(neighbourhood(shape, centres, extent), POSITIVE, 0).astype(np.int8)
    deviation = extent / 2
    target = np.zeros(shape, np.int8)
    for window, squares in _windows(shape, centres, _REACH * deviation):
        percent = np.rint(100 * np.exp(squares / (-2 * deviation**2))).astype(np.int8)
        np.maximum(target[window], percent, out=target[window])
    return target


def render_particles(micrographs: Micrographs, index: int, points: np.ndarray, config: Config) -> np.ndarray:
    """Render the target of some particles `[n, 2]` of a micrograph, in stored pixels: int8 `[H, W]`, 0 to 100."""
    shape = micrographs.images[index].shape
    return render(shape, micrographs.downsample_points(points), micrographs.pixel_radius, config)


def discs(shape: tuple[int, int], centres: np.ndarray, radius: float) -> np.ndarray:
    """Mark the pixels that belong to a particle, the truth of pixel metrics: bool `[H, W]`."""
    return neighbourhood(shape, centres, max(radius, MIN_RADIUS))


def neighbourhood(shape: tuple[int, int], centres: np.ndarray, distance: float) -> np.ndarray:
    """Mark the pixels no farther than a distance, in pixels, from any of the centres `[n, 2]`: bool `[H, W]`."""
    mask = np.zeros(shape, bool)
    for window, squares in _windows(shape, centres, distance):
        mask[window] |= squares <= distance**2
    return mask


def _windows(
    shape: tuple[int, int], centres: np.ndarray, reach: float
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Yield, for each centre, the part of the array within reach, and the squared distances there."""
    for x, y in np.asarray(centres, dtype=np.float64).reshape(-1, 2):
        rows, columns = _interval(y, reach, shape[0]), _interval(x, reach, shape[1])
        if rows.start < rows.stop and columns.start < columns.stop:
            dy = np.arange(rows.start, rows.stop) - y
            dx = np.arange(columns.start, columns.stop) - x
            yield (rows, columns), (dy**2)[:, None] + dx**2


def _interval(centre: float, reach: float, length: int) -> slice:
    return slice(max(math.floor(centre - reach), 0), min(math.ceil(centre + reach) + 1, length))
