"""One split of a data set: images at the size that the network sees, and the fixations on them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trainables.entropy_reg.config import CELL
from trainables.entropy_reg.scanpaths import Fixations
from trainables.settings import UsageError

Shape = tuple[int, int]
"""Height and width of an image in pixels, or of its density in cells."""


@dataclass(frozen=True, eq=False)
class Stimuli:
    """Images and fixations.

    Attributes:
        key: what decides the pixels, as JSON can hold it: the same key, the same pixels.
        names: of the images.
        pixels: each uint8 `[H, W, 3]`, H and W multiples of 4; read-only.
        fixations: the scored ones of each image; none has none.
        truth: of synthetic images the log-density of their content alone, nats over cells, not normalised.
        bad: name and reason of every image left out.
    """

    key: tuple[Any, ...]
    names: list[str]
    pixels: Sequence[np.ndarray]
    fixations: list[Fixations]
    truth: list[np.ndarray] | None = None
    bad: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def shapes(self) -> list[Shape]:
        """Height and width of every image in pixels."""
        return [(image.shape[0], image.shape[1]) for image in self.pixels]

    @cached_property
    def usual_shape(self) -> Shape:
        """The one that most images have."""
        return max(sorted(set(self.shapes)), key=self.shapes.count)

    def cropped(self, share: float) -> Stimuli:
        """Windows of so much of each side, in the four corners in turn, with the fixations inside.

        What lies before a fixation stays in its history, wherever it was. Images without a fixation are left out.

        Raises:
            UsageError: no image has one.
        """
        if share == 1:
            return self
        windows = [_window(shape, share, place % 4) for place, shape in enumerate(self.shapes)]
        found = [_inside(each, window) for each, window in zip(self.fixations, windows, strict=True)]
        kept = [place for place, each in enumerate(found) if len(each.points)]
        if not kept:
            raise UsageError(f"data.crop={share:g} leaves no fixation in any of {len(self)} images: raise it.")
        cut = [_cut(self.pixels[place], windows[place]) for place in kept]
        truth = self.truth and [_cut(self.truth[place], [each // CELL for each in windows[place]]) for place in kept]
        names = [self.names[place] for place in kept]
        key = (*self.key, "crop", share, kept)  # which are left out is the viewers' doing, and no part of the key above
        return Stimuli(key, names, cut, [found[place] for place in kept], truth, self.bad)

    def describe(self) -> dict[str, Any]:
        """Numbers of images and fixations, and a fingerprint of both."""
        digest = hashlib.sha256(json.dumps([self.key, self.names]).encode())  # the key stands for the pixels
        for each in self.fixations:
            digest.update(each.points.tobytes())
        said: dict[str, Any] = {
            "images": len(self),
            "fixations": sum(len(each.points) for each in self.fixations),
            "fingerprint": digest.hexdigest()[:16],
        }
        return {**said, "left_out": len(self.bad)} if self.bad else said


def cells(shape: Shape) -> Shape:
    """Height and width in cells of an image of so many pixels."""
    return shape[0] // CELL, shape[1] // CELL


def _window(shape: Shape, share: float, corner: int) -> list[int]:
    """Top, left, height and width in pixels, all multiples of the cell."""
    height, width = (max(CELL, int(side * share) // CELL * CELL) for side in shape)
    return [(shape[0] - height) * (corner // 2), (shape[1] - width) * (corner % 2), height, width]


def _inside(fixations: Fixations, window: list[int]) -> Fixations:
    top, left, height, width = window
    moved = np.array([left, top], np.float32)
    points = fixations.points - moved
    inside = np.all((points >= 0) & (points < (width, height)), axis=1)
    return Fixations(points, fixations.history - moved).select(inside)


def _cut(array: np.ndarray, window: list[int]) -> np.ndarray:
    top, left, height, width = window
    return array[top : top + height, left : left + width]
