"""Objects found without a network: blobs (Laplacian of Gaussian), visited in nearest-neighbour order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trainables.images.maxima import laplacian_of_gaussian
from trainables.measuring.matching import match_in_order
from trainables.progress import track
from trainables.seq_attention.letterbox import content_extent, to_pixels
from trainables.seq_attention.pairs import Locator, PairPredictions
from trainables.seq_attention.split import Scenes, select_evenly

SIGMAS = (0.4, 0.5, 0.6, 0.7, 0.85, 1.0)  # of half the objects' spacing; a disc's best is radius/√2 (Lindeberg 1998)
SPACINGS = (0.7, 1.0, 1.4)
SIGNS = (1.0, -1.0)
CHANNELS = ("grey", "saturation")
LEVELS = 40  # heights of blobs tried as the least that counts
TUNING_IMAGES = 100  # training images, evenly chosen, on which blobs are tuned


class Numbers(NamedTuple):
    """The numbers that are tuned.

    Attributes:
        channel: in which blobs are maxima.
        sigma: of the Gaussian, in half spacings.
        spacing: least distance of blobs, in half spacings.
        sign: bright or dark.
        height: of the Laplacian, from which a blob counts.
    """

    channel: str
    sigma: float
    spacing: float
    sign: float
    height: float


@dataclass(frozen=True)
class Blobs:
    """Visits the maxima of a Laplacian of Gaussian, always the nearest one to the last mark; done when none is left.

    Attributes:
        radius: half the training objects' median spacing, as a share of an image's longer side.
        numbers: as tuned.
    """

    radius: float
    numbers: Numbers

    @classmethod
    def tune(cls, train: Scenes, images: int = TUNING_IMAGES) -> Blobs:
        """Choose the numbers that find the objects of so many training images best, by F1 within the radius."""
        sample = select_evenly(train, images)
        radius = sample.spacing() / 2 / float(np.median(sample.sizes.max(axis=1)))
        results = [
            _best_height(sample, radius, Numbers(*values, height=0.0))
            for values in track(list(itertools.product(CHANNELS, SIGMAS, SPACINGS, SIGNS)), "tuning blobs", "choice")
        ]
        return cls(radius, max(results, key=lambda result: result[0])[1])

    def __call__(self, scenes: Scenes) -> Locator:
        """Return a locator in these images."""
        blobs = [image_blobs.points for image_blobs in _find_blobs(scenes, self.radius, self.numbers)]

        def locate(indices: Sequence[int], marks: Sequence[np.ndarray]) -> PairPredictions:
            visits = [
                self._visit(blobs[index], scenes.sizes[index], points)
                for index, points in zip(indices, marks, strict=True)
            ]
            return PairPredictions(np.array([point for point, _ in visits]), np.array([done for _, done in visits]))

        return locate

    def _visit(self, blobs: np.ndarray, size: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, float]:
        if len(marks):
            distance = np.hypot(*(blobs[:, None] - marks).transpose(2, 0, 1)).min(axis=1, initial=np.inf)
            blobs = blobs[distance >= self.radius * size.max()]
        if not len(blobs):
            return size / 2, 1.0
        last = marks[-1] if len(marks) else np.zeros(2)
        return blobs[np.argmin(np.hypot(*(blobs - last).T))], 0.0


class _ImageBlobs(NamedTuple):
    """Blobs of one image, the highest first: `[n, 2]` in its pixels, and their heights `[n]`."""

    points: np.ndarray
    heights: np.ndarray


def _find_blobs(scenes: Scenes, radius: float, numbers: Numbers) -> list[_ImageBlobs]:
    side = scenes.images.shape[1]
    blobs = []
    for index, size in enumerate(scenes.sizes):
        image = scenes.batch([index])[0]
        width, height = np.ceil(content_extent(size) * side).astype(int)
        channel = _channel(image[:height, :width].astype(np.float32) / 255, numbers.channel)
        picks = laplacian_of_gaussian(
            channel, radius * side, sigma=numbers.sigma, spacing=numbers.spacing, sign=numbers.sign
        )
        is_high = picks.scores >= numbers.height
        points = to_pixels((picks.points[is_high] + 0.5) * 2 / side - 1, size.astype(np.float64))
        blobs.append(_ImageBlobs(points, picks.scores[is_high]))
    return blobs


def _channel(image: np.ndarray, name: str) -> np.ndarray:
    channel: np.ndarray = image.mean(axis=2) if name == "grey" else image.max(axis=2) - image.min(axis=2)
    return channel


def _best_height(scenes: Scenes, radius: float, numbers: Numbers) -> tuple[float, Numbers]:
    """Find the least height with the highest F1; returns the F1, and the numbers with that height."""
    blobs = _find_blobs(scenes, radius, numbers)
    heights = np.concatenate([image_blobs.heights for image_blobs in blobs])
    if not len(heights):
        return 0.0, numbers
    reaches = radius * scenes.sizes.max(axis=1)
    hits = np.concatenate(
        [
            match_in_order(image_blobs.points, truth, float(reach)) >= 0
            for image_blobs, truth, reach in zip(blobs, scenes.points, reaches, strict=True)
        ]
    )
    objects = scenes.counts.sum()
    levels = np.quantile(heights, np.linspace(0, 1, LEVELS))
    f1 = [2 * hits[heights >= level].sum() / ((heights >= level).sum() + objects) for level in levels]
    best = int(np.argmax(f1))
    return float(f1[best]), numbers._replace(height=float(levels[best]))
