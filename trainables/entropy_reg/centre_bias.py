"""Where people look in any image: a kernel density of the other images' fixations. Imports no torch.

Fixations count in shares of width and height, so that images of all sizes share one density. A Gaussian kernel with one
deviation for both shares is integrated over each cell, so that a coarse grid has the same density as a fine one, then
normalised inside the image and mixed with a uniform density.

The density without one image's own fixations is what it is compared with, and trained with: otherwise the centre bias
knows the answer. It is the total less the image's own part, which costs no more than that part.

Source: Kümmerer, Wallis and Bethge 2015, Information-theoretic model comparison unifies saliency metrics; the published
values for MIT1003 are a bandwidth of 10^−1.6668 = 0.0215 and a uniform share of 10^−14.88.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from trainables.progress import track
from trainables.settings import UsageError

BANDWIDTHS = np.geomspace(0.01, 0.3, 18)
"""Bandwidths that `CentreBias.fit` tries, as shares of width and height."""

SHARES = np.array([0.0, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0])
"""Shares of a uniform density that `CentreBias.fit` tries; with 1 the centre bias is uniform."""

FIT_GRID = (60, 80)
"""Cells down and across on which it compares them: hardly larger than the smallest bandwidth, and quick."""

MAX_IMAGES = 1500
"""Images, evenly chosen, on which it compares them at most: a thousand take ten seconds, and say enough."""

GROUP = 4096
"""Fixations that are integrated together, which bounds the memory to some megabytes."""

FLOOR = 1e-12
"""Least share of a uniform density: with none, cells far from all fixations had a density of 0, whose logarithm is
−inf, and the rounding of the total less an image's own part would show. It costs 2e-12 bits at most."""


@dataclass(frozen=True, eq=False)
class CentreBias:
    """A centre bias, made by `fit`.

    Attributes:
        relative: of each training image its fixations `[n, 2]`, n ≥ 0: x and y as shares of width and height.
        bandwidth: deviation of the kernel, as a share of width and of height alike.
        uniform_share: weight of the uniform density in the mixture; `FLOOR` where it is lower.
        bits: log-likelihood relative to uniform of each image's fixations by those of the others, in bits per fixation,
            averaged in each image and then over (at most `MAX_IMAGES`) images.
        at_end: whether the bandwidth is the first or last of `BANDWIDTHS`, and another one might be better.
    """

    relative: tuple[np.ndarray, ...]
    bandwidth: float
    uniform_share: float
    bits: float
    at_end: bool = False
    _totals: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def fit(
        cls,
        fixations: Sequence[tuple[np.ndarray, tuple[int, int]]],
        bandwidth: float | None = None,
        uniform_share: float | None = None,
    ) -> CentreBias:
        """Fit the centre bias of some images; what is None becomes the likeliest when each image is left out in turn.

        Args:
            fixations: of each image its fixations `[n, 2]`, x and y in pixels, all inside, and its height and width.
            bandwidth: as a share of width and height; None: one of `BANDWIDTHS`.
            uniform_share: of the mixture; None: one of `SHARES`.

        Raises:
            UsageError: fewer than two images with fixations, as then one cannot be left out.
        """
        relative = _relative(fixations)
        if (count := sum(len(points) > 0 for points in relative)) < 2:
            raise UsageError(
                f"a centre bias needs two training images with fixations, and there are {count}: take more images, or "
                "more data.folds."
            )
        bandwidths = BANDWIDTHS if bandwidth is None else np.array([bandwidth])
        shares = SHARES if uniform_share is None else np.array([uniform_share])
        sample = relative[:: max(1, -(-len(relative) // MAX_IMAGES))]
        candidates = track(bandwidths.tolist(), "fitting the centre bias", "bandwidth")
        bits = np.array([_leave_one_out(sample, candidate, shares) for candidate in candidates])
        row, column = np.unravel_index(bits.argmax(), bits.shape)
        at_end = len(bandwidths) > 1 and row in (0, len(bandwidths) - 1) and shares[column] < 1
        return cls(relative, float(bandwidths[row]), float(shares[column]), float(bits[row, column]), bool(at_end))

    @classmethod
    def restore(
        cls,
        fixations: Sequence[tuple[np.ndarray, tuple[int, int]]],
        bandwidth: float,
        uniform_share: float,
        bits: float,
        at_end: bool,
    ) -> CentreBias:
        """Restore the centre bias that `fit` found in the same fixations before."""
        return cls(_relative(fixations), bandwidth, uniform_share, bits, at_end)

    def log_density(self, shape: tuple[int, int], without: int | None = None) -> np.ndarray:
        """Return the log-density in nats on cells, float64 `[h, w]`; its exponential sums to 1.

        Args:
            shape: cells down and across. The first call of each shape goes through all fixations, later ones do not.
            without: index in `fixations` of a training image that is left out as if it had not been there.
        """
        if shape not in self._totals:
            self._totals[shape] = _total(self.relative, shape, self.bandwidth)
        mass = self._totals[shape]
        if without is not None:
            mass = np.maximum(mass - _mass(self.relative[without], shape, self.bandwidth), 0)  # rounding may be below 0
        return np.log(_mix(mass / mass.sum(), self.uniform_share, mass.size))


def uniform_log_density(shape: tuple[int, int]) -> np.ndarray:
    """Return the log-density in nats of a uniform centre bias, float64 `[h, w]`."""
    return np.full(shape, -np.log(shape[0] * shape[1]))


def _relative(fixations: Sequence[tuple[np.ndarray, tuple[int, int]]]) -> tuple[np.ndarray, ...]:
    return tuple(points.astype(np.float64) / (width, height) for points, (height, width) in fixations)


def _leave_one_out(relative: Sequence[np.ndarray], bandwidth: float, shares: np.ndarray) -> np.ndarray:
    """Compute the bits per fixation of each share on `FIT_GRID` cells, each image by the fixations of the others.

    An image's own mass is needed at the cells of its own fixations alone, and its sum is that of a product, so that no
    image has a map of its own. Images go through in groups: thousands of small products of matrices take minutes where
    other processes want the cores, too.
    """
    images = [points for points in relative if len(points)]
    counts = np.array([len(points) for points in images])
    total, own_masses, own_sums = np.zeros(FIT_GRID), [], []
    for group in _group_images(images, counts):
        points = np.concatenate(group)
        vertical, horizontal = _axis_masses(points, FIT_GRID, bandwidth)
        total += vertical.T @ horizontal
        starts = np.cumsum([0, *map(len, group)])
        own_sums.append(np.add.reduceat(vertical.sum(axis=1) * horizontal.sum(axis=1), starts[:-1]))
        row, column = _fit_cells(points)
        for part in map(slice, starts[:-1], starts[1:]):
            own_masses.append((vertical[part][:, row[part]] * horizontal[part][:, column[part]]).sum(axis=0))
    cells = _fit_cells(np.concatenate(images))
    mass = np.maximum(total[cells] - np.concatenate(own_masses), 0)
    mass /= total.sum() - np.repeat(np.concatenate(own_sums), counts)
    bits = np.log2(_mix(mass, shares[:, None], total.size) * total.size)  # [shares, fixations]
    return (np.add.reduceat(bits, np.cumsum([0, *counts[:-1]]), axis=1) / counts).mean(axis=1)


def _group_images(images: Sequence[np.ndarray], counts: np.ndarray) -> Iterator[Sequence[np.ndarray]]:
    """Split images, in their order, into groups of about `GROUP` fixations, or of one image."""
    ends = np.cumsum(counts)
    for index in np.unique(ends // GROUP):
        members = np.flatnonzero(ends // GROUP == index)
        yield images[members[0] : members[-1] + 1]


def _fit_cells(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of each fixation on `FIT_GRID` cells."""
    row, column = (
        np.minimum((points[:, axis] * count).astype(np.int64), count - 1)
        for axis, count in zip((1, 0), FIT_GRID, strict=True)
    )
    return row, column


def _total(relative: Sequence[np.ndarray], shape: tuple[int, int], bandwidth: float) -> np.ndarray:
    """Sum the kernels of all images, one after another: at once they would take hundreds of megabytes."""
    total = np.zeros(shape)
    for points in relative:
        total += _mass(points, shape, bandwidth)
    return total


def _mass(points: np.ndarray, shape: tuple[int, int], bandwidth: float) -> np.ndarray:
    """Sum the fixations' kernels on cells, `[h, w]`; what falls outside the image is missing."""
    vertical, horizontal = _axis_masses(points, shape, bandwidth)
    return vertical.T @ horizontal


def _axis_masses(points: np.ndarray, shape: tuple[int, int], bandwidth: float) -> tuple[np.ndarray, np.ndarray]:
    """Integrate each fixation's kernel on rows `[n, h]` and columns `[n, w]`; its mass in a cell is their product."""
    return _integrals(points[:, 1], shape[0], bandwidth), _integrals(points[:, 0], shape[1], bandwidth)


def _integrals(centres: np.ndarray, count: int, bandwidth: float) -> np.ndarray:
    """Integrate Gaussians around `[n]` shares of a side over each of its `count` equal parts, `[n, count]`.

    Both tails are taken as lower ones, as differences near 1 have no digits left for a mass that is small.
    """
    edges = (np.linspace(0, 1, count + 1) - centres[:, None]) / bandwidth
    tails = special.ndtr(-np.abs(edges))
    is_upper = edges > 0
    return np.diff(np.where(is_upper, -tails, tails), axis=1) + np.diff(is_upper.astype(np.float64), axis=1)


def _mix(density: np.ndarray, share: float | np.ndarray, cells: int) -> np.ndarray:
    share = np.maximum(share, FLOOR)
    return (1 - share) * density + share / cells
