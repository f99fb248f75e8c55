"""What seq_attention is compared with: the mean position, and blobs visited in nearest-neighbour order.

Neither trains a network. Their few numbers are tuned on the training images, and the thresholds of their done signals
on validation's calibration images, like a network's.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.pickers import laplacian_of_gaussian
from trainables.measuring.matching import in_turn
from trainables.seq_attention.framing import extent, in_pixels
from trainables.seq_attention.pairs import Answers, Ask, Pairs
from trainables.seq_attention.scenes import Scenes

SIGMAS = (0.4, 0.5, 0.6, 0.7, 0.85, 1.0)  # of half the objects' spacing; a disc's best is radius/√2 (Lindeberg 1998)
SPACINGS = (0.7, 1.0, 1.4)
SIGNS = (1.0, -1.0)
CHANNELS = ("grey", "saturation")
LEVELS = 40  # heights of blobs tried as the least that counts
TUNED_ON = 100  # training images


class MeanPosition:
    """Always says the mean position of the next object in training, as a share of the image's sides.

    Its done signal is what is known of an image that is not looked at: the share of training images with no more than k
    objects, so that it counts the same number everywhere.
    """

    def __init__(self, train: Scenes, pairs: Pairs) -> None:
        asked = np.flatnonzero(~pairs.done)
        following = np.array([pairs.left(pair)[0] for pair in asked.tolist()])
        self.share = (following / train.sizes[pairs.image[asked]]).mean(axis=0)
        self.counts = np.sort(train.counts)

    def __call__(self, scenes: Scenes) -> Ask:
        """An answerer of questions about these images."""

        def ask(places: Sequence[int], marked: Sequence[np.ndarray]) -> Answers:
            k = np.array([len(each) for each in marked])
            done = np.searchsorted(self.counts, k, side="right") / len(self.counts)
            return Answers(self.share * scenes.sizes[list(places)], done)

        return ask


class Numbers(NamedTuple):
    """What is tuned.

    Attributes:
        channel: of which blobs are maxima.
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
        numbers: what was tuned.
    """

    radius: float
    numbers: Numbers

    @classmethod
    def tuned(cls, train: Scenes) -> Blobs:
        """With the numbers that find the training objects best, by F1 within the radius."""
        some = train.select(np.linspace(0, len(train) - 1, min(TUNED_ON, len(train))).astype(int))
        longer = some.sizes.max(axis=1)
        radius = some.spacing() / 2 / float(np.median(longer))
        tried = [
            _best_height(some, radius, Numbers(*each, height=0.0))
            for each in itertools.product(CHANNELS, SIGMAS, SPACINGS, SIGNS)
        ]
        return cls(radius, max(tried, key=lambda each: each[0])[1])

    def __call__(self, scenes: Scenes) -> Ask:
        """An answerer of questions about these images."""
        found = [each.points for each in _blobs(scenes, self.radius, self.numbers)]

        def ask(places: Sequence[int], marked: Sequence[np.ndarray]) -> Answers:
            parts = [
                self._next(found[place], scenes.sizes[place], each) for place, each in zip(places, marked, strict=True)
            ]
            return Answers(np.array([point for point, _ in parts]), np.array([done for _, done in parts]))

        return ask

    def _next(self, blobs: np.ndarray, size: np.ndarray, marked: np.ndarray) -> tuple[np.ndarray, float]:
        if len(marked):
            near = np.hypot(*(blobs[:, None] - marked).transpose(2, 0, 1)).min(axis=1, initial=np.inf)
            blobs = blobs[near >= self.radius * size.max()]
        if not len(blobs):
            return size / 2, 1.0
        last = marked[-1] if len(marked) else np.zeros(2)
        return blobs[np.argmin(np.hypot(*(blobs - last).T))], 0.0


class _Found(NamedTuple):
    """Blobs of one image, the highest first: `[n, 2]` in its pixels, and their heights `[n]`."""

    points: np.ndarray
    heights: np.ndarray


def _blobs(scenes: Scenes, radius: float, numbers: Numbers) -> list[_Found]:
    side = scenes.images.shape[1]
    found = []
    for image, size in zip(scenes.batch(range(len(scenes))), scenes.sizes, strict=True):
        width, height = np.ceil(extent(size) * side).astype(int)
        shown = _channel(image[:height, :width].astype(np.float32) / 255, numbers.channel)
        picks = laplacian_of_gaussian(
            shown, radius * side, sigma=numbers.sigma, spacing=numbers.spacing, sign=numbers.sign
        )
        kept = picks.scores >= numbers.height
        points = in_pixels((picks.points[kept] + 0.5) * 2 / side - 1, size.astype(np.float64))
        found.append(_Found(points, picks.scores[kept]))
    return found


def _channel(image: np.ndarray, name: str) -> np.ndarray:
    shown: np.ndarray = image.mean(axis=2) if name == "grey" else image.max(axis=2) - image.min(axis=2)
    return shown


def _best_height(scenes: Scenes, radius: float, numbers: Numbers) -> tuple[float, Numbers]:
    """The highest F1 over the least heights that are tried, and the numbers with that height."""
    found = _blobs(scenes, radius, numbers)
    heights = np.concatenate([each.heights for each in found])
    if not len(heights):
        return 0.0, numbers
    reach = radius * scenes.sizes.max(axis=1)
    hits = [
        in_turn(each.points, truth, float(near)) >= 0
        for each, truth, near in zip(found, scenes.points, reach, strict=True)
    ]
    hit, present = np.concatenate(hits), scenes.counts.sum()
    tried = np.quantile(heights, np.linspace(0, 1, LEVELS))
    f1 = [2 * hit[heights >= level].sum() / ((heights >= level).sum() + present) for level in tried]
    best = int(np.argmax(f1))
    return float(f1[best]), numbers._replace(height=float(tried[best]))
