"""What particles look like in a target: discs or Gaussians around their centres.

A target is int8 `[H, W]`, in percent: 0 to 100 says how positive a pixel is, −1 (`IGNORED`) that nothing is known of
it. Centres are (x, y) in pixels of the array, x to the right; whole numbers are the pixels' middles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from trainables.unet_selftrain.config import Config

IGNORED = -1
POSITIVE = 100
HALF = POSITIVE // 2  # from here on a pixel of a Gaussian counts as positive where it is counted
SMALLEST_RADIUS = math.sqrt(0.5)  # a smaller disc may hold no pixel's middle, and its particle would be lost
_FAINT = math.sqrt(2 * math.log(200))  # deviations from the middle, where a Gaussian falls below half a percent


def render(shape: tuple[int, int], centres: np.ndarray, radius: float, config: Config) -> np.ndarray:
    """The target of particles whose surroundings are negative: int8 `[H, W]`, 0 to 100.

    `target=disc`: 100 within `target_scale`·radius of a centre. `target=gaussian`: exp(−d²/2σ²) with σ half of that,
    the highest value where particles overlap. What lies beyond the border is cut off.

    Args:
        shape: height and width.
        centres: `[n, 2]`.
        radius: of a particle, in pixels of this array.
        config: says which shape and scale.
    """
    reach = max(config.target_scale * radius, SMALLEST_RADIUS)
    if config.target == "disc":
        return np.where(near(shape, centres, reach), POSITIVE, 0).astype(np.int8)
    deviation = reach / 2
    target = np.zeros(shape, np.int8)
    for window, squared in _windows(shape, centres, _FAINT * deviation):
        percent = np.rint(100 * np.exp(squared / (-2 * deviation**2))).astype(np.int8)
        np.maximum(target[window], percent, out=target[window])
    return target


def discs(shape: tuple[int, int], centres: np.ndarray, radius: float) -> np.ndarray:
    """Bool `[H, W]`: the pixels that belong to a particle, which is the truth of pixel metrics."""
    return near(shape, centres, max(radius, SMALLEST_RADIUS))


def near(shape: tuple[int, int], centres: np.ndarray, distance: float) -> np.ndarray:
    """Bool `[H, W]`: the pixels no farther than a distance, in pixels, from any of the centres `[n, 2]`."""
    within = np.zeros(shape, bool)
    for window, squared in _windows(shape, centres, distance):
        within[window] |= squared <= distance**2
    return within


def _windows(
    shape: tuple[int, int], centres: np.ndarray, reach: float
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Around each centre the part of the array within its reach, and the squared distances there."""
    for x, y in np.asarray(centres, dtype=np.float64).reshape(-1, 2):
        rows, columns = _interval(y, reach, shape[0]), _interval(x, reach, shape[1])
        if rows.start < rows.stop and columns.start < columns.stop:
            down = np.arange(rows.start, rows.stop) - y
            across = np.arange(columns.start, columns.stop) - x
            yield (rows, columns), (down**2)[:, None] + across**2


def _interval(middle: float, reach: float, length: int) -> slice:
    return slice(max(math.floor(middle - reach), 0), min(math.ceil(middle + reach) + 1, length))
