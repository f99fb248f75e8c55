"""One split of micrographs and their particles, whatever its source, and how pixels and points are downsampled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from trainables.images.fingerprint import fingerprint

CLIP = 5.0
"""Standard deviations from the mean beyond which a micrograph's pixels are cut off."""

_MIDDLE, _STEP = 127.5, 127.5 / CLIP  # uint8 = middle + step · z
_TAIL = 0.1  # per cent at either end that mean and standard deviation do not see: hot pixels, gold, defects
_LOOKED_AT = 512  # rows and columns of a micrograph that go into the fingerprint


@dataclass(frozen=True, eq=False)
class Micrographs:
    """One split. Its arrays are read-only, because all trials of a process share them.

    Attributes:
        images: N arrays uint8 `[H_i, W_i]`, after downsampling: 127.5 + 25.5·z, z being clipped to ±5.
        names: N paths relative to the folder of the images.
        groups: N folders directly below that folder, empty for a micrograph that lies in none.
        known: per micrograph float32 `[n, 2]`, x and y of the particles that training is told of, in pixels of the
            stored micrograph; 0 is the centre of the first pixel.
        hidden: per micrograph float32 `[m, 2]`, the others; all empty but in training.
        radius: of a particle, in pixels of the stored micrograph.
        downsample: side of the squares of stored pixels that were averaged.
        calibration: bool `[N]`, micrographs on which thresholds are chosen; all false but in validation.
        bad: name and reason of every micrograph that was left out.
    """

    images: Sequence[np.ndarray]
    names: list[str]
    groups: list[str]
    known: list[np.ndarray]
    hidden: list[np.ndarray]
    radius: float
    downsample: int
    calibration: np.ndarray
    bad: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for array in (*self.images, *self.known, *self.hidden, self.calibration):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.names)

    def image(self, place: int) -> np.ndarray:
        """A micrograph's z-score, float32 `[H, W]`."""
        return z_score(self.images[place])

    def truth(self, place: int) -> np.ndarray:
        """All particles of a micrograph, known ones first: float32 `[n + m, 2]`, in pixels of the stored micrograph."""
        return np.concatenate([self.known[place], self.hidden[place]])

    def centres(self, points: np.ndarray) -> np.ndarray:
        """Points `[n, 2]` of the stored micrograph in pixels of the downsampled one."""
        return downsampled(points, self.downsample)

    def stored(self, points: np.ndarray) -> np.ndarray:
        """The way back: points `[n, 2]` of the downsampled micrograph in pixels of the stored one."""
        return stored(points, self.downsample)

    def select(self, kept: np.ndarray) -> Micrographs:
        """The micrographs where `kept`, bool `[N]`, is true; pixels stay shared."""
        places = np.flatnonzero(kept).tolist()
        return replace(
            self,
            images=[self.images[place] for place in places],
            names=[self.names[place] for place in places],
            groups=[self.groups[place] for place in places],
            known=[self.known[place] for place in places],
            hidden=[self.hidden[place] for place in places],
            calibration=self.calibration[places],
        )

    def spacing(self) -> float:
        """Median distance of a particle to its nearest neighbour in stored pixels; nan where none has one."""
        nearest = [_nearest(self.truth(place)) for place in range(len(self))]
        distances = np.concatenate([np.empty(0), *nearest])
        return float(np.median(distances)) if len(distances) else math.nan

    def describe(self) -> dict[str, Any]:
        """Counts of micrographs, groups and particles, lengths in stored pixels, micrographs left out; a fingerprint.

        Of the pixels of large micrographs, the fingerprint sees an evenly spaced sample.
        """
        spacing = self.spacing()
        return {
            "micrographs": len(self),
            "groups": len(set(self.groups)),
            "known_particles": sum(map(len, self.known)),
            "hidden_particles": sum(map(len, self.hidden)),
            "spacing_px": None if math.isnan(spacing) else round(spacing, 2),
            "radius_px": self.radius,
            "left_out": len(self.bad),
            "fingerprint": fingerprint(self._sample(), np.arange(len(self)), self._truth()),
        }

    def _sample(self) -> np.ndarray:
        """Object array `[N]` of thinned micrographs: they differ in shape."""
        sample = np.empty(len(self), dtype=object)
        for place, image in enumerate(self.images):
            step = max(1, math.ceil(max(image.shape) / _LOOKED_AT))
            sample[place] = image[::step, ::step]
        return sample

    def _truth(self) -> list[Any]:
        shapes = [list(image.shape) for image in self.images]
        points = [[each.tolist() for each in some] for some in (self.known, self.hidden)]
        return [self.names, shapes, *points, self.radius, self.downsample, self.calibration.tolist()]


def standardised(values: np.ndarray, downsample: int) -> np.ndarray:
    """A micrograph as it is kept: averaged, z-scored, cut off at ±5, as uint8.

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
    averaged = _averaged(np.asarray(values, dtype=np.float32), downsample)
    if not averaged.size:
        raise ValueError(f"is smaller than a square of {downsample} pixels")
    if not np.isfinite(averaged).all():
        raise ValueError("holds values that are not finite")
    bulk = averaged.clip(*np.percentile(averaged, [_TAIL, 100 - _TAIL]))
    mean, deviation = bulk.mean(dtype=np.float64), bulk.std(dtype=np.float64)
    if not deviation > 0:
        raise ValueError("is constant")
    scores = ((averaged - mean) / deviation).clip(-CLIP, CLIP)
    return np.rint(_MIDDLE + _STEP * scores).astype(np.uint8)


def z_score(pixels: np.ndarray) -> np.ndarray:
    """float32 z-score of what `standardised` gave, to within 1/51."""
    return (pixels.astype(np.float32) - np.float32(_MIDDLE)) / np.float32(_STEP)


def downsampled(points: np.ndarray, downsample: int) -> np.ndarray:
    """Points `[n, 2]` of a stored micrograph in pixels of the downsampled one.

    A square of d pixels has its centre between them, not at its first one: x becomes (x + 0.5) / d - 0.5.
    """
    return (points + np.float32(0.5)) / np.float32(downsample) - np.float32(0.5)


def stored(points: np.ndarray, downsample: int) -> np.ndarray:
    """The inverse of `downsampled`."""
    return (points + np.float32(0.5)) * np.float32(downsample) - np.float32(0.5)


def _averaged(values: np.ndarray, side: int) -> np.ndarray:
    height, width = (length // side for length in values.shape)
    squares = values[: height * side, : width * side].reshape(height, side, width, side)
    averaged: np.ndarray = squares.mean(axis=(1, 3))
    return averaged


def _nearest(points: np.ndarray) -> np.ndarray:
    """Distance of each point to its nearest neighbour; empty where there is none."""
    if len(points) < 2:
        return np.empty(0)
    distances: np.ndarray = cKDTree(points).query(points, k=2)[0][:, 1]
    return distances
