"""How a micrograph is downsampled, pixels and points, and how its pixels are kept: z-scores as bytes."""

from __future__ import annotations

import numpy as np

CLIP = 5.0
"""Standard deviations from the mean beyond which a micrograph's pixels are cut off."""

_MIDDLE, _STEP = 127.5, 127.5 / CLIP  # uint8 = middle + step · z
_TAIL = 0.1  # per cent at either end that mean and standard deviation leave out: hot pixels, gold, defects


def standardise(values: np.ndarray, downsample: int) -> np.ndarray:
    """Average a micrograph over squares, bring it to z-scores, cut these off at ±5, and code them as bytes.

    Mean and standard deviation are taken of the averaged pixels, clipped to their percentiles 0.1 and 99.9: a single
    hot pixel would otherwise flatten all others.

    Args:
        values: `[H, W]`, of any numeric type.
        downsample: side of the squares that are averaged; rows and columns that fill no square are left out.

    Returns:
        uint8 `[H // downsample, W // downsample]`.

    Raises:
        ValueError: values that are not finite, all the same, or fewer than one square.
    """
    means = _average_squares(np.asarray(values, dtype=np.float32), downsample)
    if not means.size:
        raise ValueError(f"is smaller than a square of {downsample} pixels")
    if not np.isfinite(means).all():
        raise ValueError("holds values that are not finite")
    bulk = means.clip(*np.percentile(means, [_TAIL, 100 - _TAIL]))
    mean, deviation = bulk.mean(dtype=np.float64), bulk.std(dtype=np.float64)
    if not deviation > 0:
        raise ValueError("is constant")
    scores = ((means - mean) / deviation).clip(-CLIP, CLIP)
    return np.rint(_MIDDLE + _STEP * scores).astype(np.uint8)


def z_score(pixels: np.ndarray) -> np.ndarray:
    """Decode the float32 z-scores that `standardise` coded, to within 1/51."""
    return (pixels.astype(np.float32) - np.float32(_MIDDLE)) / np.float32(_STEP)


def downsample_points(points: np.ndarray, downsample: int) -> np.ndarray:
    """Map points `[n, 2]` of a stored micrograph to pixels of the downsampled one.

    A square of d pixels has its centre between them, not at its first one: x becomes (x + 0.5) / d - 0.5.
    """
    return (points + np.float32(0.5)) / np.float32(downsample) - np.float32(0.5)


def restore_points(points: np.ndarray, downsample: int) -> np.ndarray:
    """Map points `[n, 2]` of a downsampled micrograph to pixels of the stored one: the inverse of the above."""
    return (points + np.float32(0.5)) * np.float32(downsample) - np.float32(0.5)


def _average_squares(values: np.ndarray, side: int) -> np.ndarray:
    height, width = (length // side for length in values.shape)
    squares = values[: height * side, : width * side].reshape(height, side, width, side)
    means: np.ndarray = squares.mean(axis=(1, 3))
    return means
