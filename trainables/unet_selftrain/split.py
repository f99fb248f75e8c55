"""One split of micrographs and their particles, whatever its source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.spatial import cKDTree

from trainables.images.fingerprint import fingerprint
from trainables.images.split import DataSplit
from trainables.unet_selftrain.downsampling import downsample_points, restore_points, z_score

_MAX_SAMPLE_SIDE = 512  # rows and columns of a micrograph that go into the fingerprint


@dataclass(frozen=True, eq=False, kw_only=True)
class Micrographs(DataSplit):
    """One split. Its names are paths relative to the folder of the images.

    Attributes:
        images: N arrays uint8 `[H_i, W_i]`, after downsampling: 127.5 + 25.5·z, z being clipped to ±5.
        groups: N folders directly below that folder, empty for a micrograph that lies in none.
        known_particles: per micrograph float32 `[n, 2]`, x and y of the particles that training knows, in pixels of
            the stored micrograph; 0 is the centre of the first pixel.
        hidden_particles: per micrograph float32 `[m, 2]`, the others; all empty but in training.
        radius: of a particle, in pixels of the stored micrograph.
        downsample: side of the squares of stored pixels that were averaged.
        calibration: bool `[N]`, micrographs on which thresholds are chosen; all false but in validation.
    """

    PER_EXAMPLE_FIELDS: ClassVar[tuple[str, ...]] = (
        "names",
        "images",
        "groups",
        "known_particles",
        "hidden_particles",
        "calibration",
    )

    images: list[np.ndarray]
    groups: list[str]
    known_particles: list[np.ndarray]
    hidden_particles: list[np.ndarray]
    radius: float
    downsample: int
    calibration: np.ndarray

    @property
    def pixel_radius(self) -> float:
        """Radius of a particle in pixels of the downsampled micrographs."""
        return self.radius / self.downsample

    @property
    def particle_counts(self) -> np.ndarray:
        """Number of particles of each micrograph, known and hidden ones, int64 `[N]`."""
        return np.array([len(self.particles(index)) for index in range(len(self))], dtype=np.int64)

    def image(self, index: int) -> np.ndarray:
        """Return a micrograph's z-scores, float32 `[H, W]`."""
        return z_score(self.images[index])

    def particles(self, index: int) -> np.ndarray:
        """Return all particles of a micrograph, known ones first: float32 `[n + m, 2]`, in stored pixels."""
        return np.concatenate([self.known_particles[index], self.hidden_particles[index]])

    def downsample_points(self, points: np.ndarray) -> np.ndarray:
        """Map points `[n, 2]` of the stored micrograph to pixels of the downsampled one."""
        return downsample_points(points, self.downsample)

    def restore_points(self, points: np.ndarray) -> np.ndarray:
        """Map points `[n, 2]` of the downsampled micrograph to pixels of the stored one."""
        return restore_points(points, self.downsample)

    def spacing(self) -> float:
        """Return the median distance of a particle to its nearest neighbour in stored pixels; nan without any."""
        neighbours = [_nearest_distances(self.particles(index)) for index in range(len(self))]
        distances = np.concatenate([np.empty(0), *neighbours])
        return float(np.median(distances)) if len(distances) else math.nan

    def describe(self) -> dict[str, Any]:
        """Count micrographs, groups, particles and what was left out; add lengths in stored pixels and a fingerprint.

        Of the pixels of large micrographs, the fingerprint reads an evenly spaced sample.
        """
        spacing = self.spacing()
        return {
            "micrographs": len(self),
            "groups": len(set(self.groups)),
            "known_particles": sum(map(len, self.known_particles)),
            "hidden_particles": sum(map(len, self.hidden_particles)),
            "spacing_px": None if math.isnan(spacing) else round(spacing, 2),
            "radius_px": self.radius,
            "calibration": int(self.calibration.sum()),
            "left_out": len(self.bad),
            "fingerprint": fingerprint(self._sample(), np.arange(len(self)), self._truth()),
        }

    def _sample(self) -> np.ndarray:
        """Thin out the micrographs, into an object array `[N]`, for they differ in shape."""
        sample = np.empty(len(self), dtype=object)
        for index, image in enumerate(self.images):
            step = max(1, math.ceil(max(image.shape) / _MAX_SAMPLE_SIDE))
            sample[index] = image[::step, ::step]
        return sample

    def _truth(self) -> list[Any]:
        """List, as JSON can hold it, all that the fingerprint covers besides the pixels."""
        shapes = [list(image.shape) for image in self.images]
        particles = [[points.tolist() for points in part] for part in (self.known_particles, self.hidden_particles)]
        return [self.names, shapes, *particles, self.radius, self.downsample, self.calibration.tolist()]


def _nearest_distances(points: np.ndarray) -> np.ndarray:
    """Measure the distance of each point to its nearest neighbour; empty where there is none."""
    if len(points) < 2:
        return np.empty(0)
    distances: np.ndarray = cKDTree(points).query(points, k=2)[0][:, 1]
    return distances
