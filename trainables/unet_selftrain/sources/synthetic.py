"""Synthetic micrographs: dark particles and ice in coloured noise, with known centres.

The noise has a standard deviation of 1. Most of its variance is white; the rest has a power that falls like 1/f, as of
uneven ice. A particle is a soft disc or a ring, with the pale halo that defocus gives. The signal-to-noise ratio is the
mean square of the particles over all pixels within `radius` of a centre, divided by the noise's variance; every
micrograph has its own.
"""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np

from trainables.contract import Split
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.downsampling import standardise
from trainables.unet_selftrain.split import Micrographs

PARTICLES = (10, 40)
"""Fewest and most particles of a micrograph; fewer where it has no room."""

SNR = (0.05, 0.2)
"""Lowest and highest signal-to-noise ratio of a micrograph."""

_COLOURED_SHARE = 0.25  # of the noise's variance: its power falls with the frequency
_GAP = 1.6  # least distance between centres, in radii: neighbours may overlap a little
_TRIES = 400  # positions tried for particles
_EDGE = 0.08  # deviation of the soft edge, in radii
_RING, _RING_WIDTH = 0.7, 0.18  # a ring's radius and deviation, in radii
_HALO, _HALO_RADIUS, _HALO_WIDTH = 0.35, 1.3, 0.2  # its height; radius and deviation, in radii
_REACH = 2.0  # beyond this distance, in radii, a particle contributes nothing
_ICE_RADIUS = (1.5, 3.0)  # of an ice blob, in particle radii
_ICE_CONTRAST = (1.5, 4.0)  # in standard deviations of the noise
_ICE_BLOBS = 3  # at most
_ICE_AREA = 0.3  # share of the micrograph that ice may close to particles


class Layers(NamedTuple):
    """The parts of a synthetic micrograph, which is their sum.

    Attributes:
        noise: float32 `[size, size]`, of standard deviation 1.
        particles: float32 `[size, size]`.
        ice: float32 `[size, size]`.
        centres: float32 `[n, 2]`, x and y of the particles.
        snr: signal-to-noise ratio.
    """

    noise: np.ndarray
    particles: np.ndarray
    ice: np.ndarray
    centres: np.ndarray
    snr: float


def load(config: Config, data: Data, split: Split) -> Micrographs:
    """Generate one split, all particles known; a larger split begins with the micrographs of a smaller one."""
    count = data.train_size if split == "train" else data.val_size
    samples = [_generate(data, split, index) for index in range(count)]
    return Micrographs(
        images=[standardise(layers.noise + layers.particles + layers.ice, config.downsample) for layers in samples],
        names=[f"{split}_{index:03d}" for index in range(count)],
        groups=[""] * count,
        known_particles=[layers.centres for layers in samples],
        hidden_particles=[np.empty((0, 2), np.float32)] * count,
        radius=data.particle_radius,
        downsample=config.downsample,
        calibration=np.zeros(count, dtype=bool),
    )


def generate(rng: np.random.Generator, size: int, radius: float) -> Layers:
    """Generate one micrograph of `size` × `size` pixels with particles of a radius in pixels.

    Centres are no closer than 1.6 radii, lie in the micrograph, and keep off the ice.
    """
    noise = _noise(rng, size)
    blobs = _blobs(rng, size, radius)
    centres = _centres(rng, size, radius, blobs)
    particles = _particles(rng, centres, size, radius)
    snr = float(np.exp(rng.uniform(*np.log(SNR))))
    power = np.square(particles[_discs(centres, size, radius)]).mean()
    particles *= np.float32(-np.sqrt(snr / power))  # dark on bright, as without phase plate and inversion
    return Layers(noise, particles, _ice(rng, blobs, size), centres, snr)


def _generate(data: Data, split: Split, index: int) -> Layers:
    rng = np.random.default_rng([data.split_seed, get_args(Split).index(split), index])
    return generate(rng, data.size, data.particle_radius)


def _noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Generate noise float32 `[size, size]` of mean 0 and standard deviation 1."""
    white = rng.standard_normal((size, size), dtype=np.float32)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequency[0, 0] = np.inf  # no constant part
    # dividing amplitudes by √f makes the power fall like 1/f
    pink = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) / np.sqrt(frequency), s=(size, size))
    noise = np.sqrt(_COLOURED_SHARE) * pink / pink.std() + np.sqrt(1 - _COLOURED_SHARE) * white
    standard: np.ndarray = ((noise - noise.mean()) / noise.std()).astype(np.float32)
    return standard


def _blobs(rng: np.random.Generator, size: int, radius: float) -> np.ndarray:
    """Choose ice blobs `[n, 3]`, x, y and radius, as many as leave enough room for particles."""
    count = rng.integers(0, _ICE_BLOBS + 1)
    blobs = np.column_stack([rng.uniform(0, size, (count, 2)), radius * rng.uniform(*_ICE_RADIUS, count)])
    areas = np.pi * (blobs[:, 2] + radius) ** 2  # in which no particle may have its centre
    return blobs[areas.cumsum() <= _ICE_AREA * size**2]


def _centres(rng: np.random.Generator, size: int, radius: float, blobs: np.ndarray) -> np.ndarray:
    """Choose centres float32 `[n, 2]`: candidates in turn, where no earlier centre and no ice is too near."""
    count = rng.integers(PARTICLES[0], PARTICLES[1] + 1)
    candidates = rng.uniform(0, size - 1, (_TRIES, 2))
    free = (_distances(candidates, blobs[:, :2]) > blobs[:, 2] + radius).all(axis=1)
    candidates = candidates[free]
    is_near = _distances(candidates, candidates) < _GAP * radius
    indices: list[int] = []
    for index in range(len(candidates)):
        if len(indices) < count and not is_near[index, indices].any():
            indices.append(index)
    return candidates[indices].astype(np.float32)


def _distances(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Measure the distances `[n, m]` of points `[n, 2]` from points `[m, 2]`."""
    distances: np.ndarray = np.hypot(*(points[:, None] - targets).transpose(2, 0, 1))
    return distances


def _particles(rng: np.random.Generator, centres: np.ndarray, size: int, radius: float) -> np.ndarray:
    """Draw discs and rings, half of each on average, of uneven strength: float32 `[size, size]`."""
    canvas = np.zeros((size, size), np.float32)
    x, y, distance = _windows(centres, _REACH * radius)
    distance /= radius
    rings = rng.random(len(centres)) < 0.5
    disc = 1 / (1 + np.exp((distance - 1) / _EDGE))
    ring = _bell(distance, _RING, _RING_WIDTH)
    halo = _HALO * _bell(distance, _HALO_RADIUS, _HALO_WIDTH)
    values = (np.where(rings[:, None, None], ring, disc) - halo) * rng.uniform(0.8, 1.2, (len(centres), 1, 1))
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    np.add.at(canvas, (y[inside], x[inside]), values[inside].astype(np.float32))
    return canvas


def _bell(distance: np.ndarray, centre: float, deviation: float) -> np.ndarray:
    bell: np.ndarray = np.exp(-0.5 * ((distance - centre) / deviation) ** 2)
    return bell


def _discs(centres: np.ndarray, size: int, radius: float) -> np.ndarray:
    """Mark the pixels within the radius of a centre: bool `[size, size]`."""
    x, y, distance = _windows(centres, radius)
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size) & (distance <= radius)
    discs = np.zeros((size, size), dtype=bool)
    discs[y[inside], x[inside]] = True
    return discs


def _windows(centres: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns, rows and distances of the pixels around the centres, `[n, side, side]` each."""
    steps = np.arange(-np.ceil(reach) - 1, np.ceil(reach) + 2).astype(int)
    corner = np.rint(centres).astype(int)
    x = corner[:, :1, None] + steps[None, None, :] + 0 * steps[None, :, None]
    y = corner[:, 1:, None] + steps[None, :, None] + 0 * steps[None, None, :]
    return x, y, np.hypot(x - centres[:, :1, None], y - centres[:, 1:, None])


def _ice(rng: np.random.Generator, blobs: np.ndarray, size: int) -> np.ndarray:
    """Draw soft ellipses, dark or bright: float32 `[size, size]`."""
    pixel = np.arange(size, dtype=np.float32)
    canvas = np.zeros((size, size), np.float32)
    for x, y, radius in blobs:
        angle, flatness = rng.uniform(0, np.pi), rng.uniform(1, 1.4)
        contrast = rng.choice([-1, 1]) * rng.uniform(*_ICE_CONTRAST)
        right, down = pixel - np.float32(x), (pixel - np.float32(y))[:, None]
        major = right * np.cos(angle) + down * np.sin(angle)
        minor = down * np.cos(angle) - right * np.sin(angle)
        distance = np.hypot(major, minor * flatness) / radius
        canvas += (contrast / (1 + np.exp((distance.clip(0, 3) - 0.9) / _EDGE))).astype(np.float32)
    return canvas
