"""One split of a data set: images at the size that the network sees, and the fixations on them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from trainables.entropy_reg.config import CELL
from trainables.entropy_reg.scanpaths import Fixations
from trainables.images.split import DataSplit
from trainables.settings import UsageError

Shape = tuple[int, int]
"""Height and width of an image in pixels, or of its density in cells."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Stimuli(DataSplit):
    """Images and fixations.

    Attributes:
        key: what decides the pixels, as JSON can hold it: the same key, the same pixels.
        pixels: of each image uint8 `[H, W, 3]`, H and W multiples of 4.
        fixations: of each image those that are scored; no image is without.
        viewers: int64 `[N]`, of how many viewers an image has scanpaths; None: not known.
        truth: of each synthetic image the log-density of its content alone, nats over cells, not normalised.
    """

    PER_EXAMPLE_FIELDS = (*DataSplit.PER_EXAMPLE_FIELDS, "pixels", "fixations", "viewers", "truth")

    key: tuple[Any, ...]
    pixels: list[np.ndarray]
    fixations: list[Fixations]
    viewers: np.ndarray | None = None
    truth: list[np.ndarray] | None = None

    @property
    def fixation_counts(self) -> np.ndarray:
        """Number of scored fixations of each image, int64 `[N]`."""
        return np.array([len(fixations.points) for fixations in self.fixations], dtype=np.int64)

    @cached_property
    def shapes(self) -> list[Shape]:
        """Height and width of every image in pixels."""
        return [(image.shape[0], image.shape[1]) for image in self.pixels]

    @cached_property
    def usual_shape(self) -> Shape:
        """The shape that most images have."""
        return max(sorted(set(self.shapes)), key=self.shapes.count)

    def select(self, selection: np.ndarray) -> Stimuli:
        """Select images, as `DataSplit` does; other images are other pixels, and have another key."""
        indices = np.flatnonzero(selection) if selection.dtype == bool else selection
        return replace(super().select(indices), key=(*self.key, "images", indices.tolist()))

    def crop(self, share: float) -> Stimuli:
        """Cut a window of `share` of each side out of every image, in the four corners in turn, with its fixations.

        What precedes a fixation stays in its history, wherever it was. Images without a fixation in their window are
        left out.

        Raises:
            UsageError: no window has a fixation.
        """
        if share == 1:
            return self
        windows = [_window(shape, share, index % 4) for index, shape in enumerate(self.shapes)]
        fixations = [_move_into(window, image) for window, image in zip(windows, self.fixations, strict=True)]
        rows = [index for index, inside in enumerate(fixations) if len(inside.points)]
        if not rows:
            raise UsageError(f"data.crop={share:g} leaves no fixation in any of {len(self)} images: raise it.")
        cell_windows = [[value // CELL for value in window] for window in windows]
        return replace(
            self.select(np.array(rows)),
            key=(*self.key, "crop", share, rows),  # viewers decide which images are left out: the key above lacks that
            pixels=[_cut_window(self.pixels[row], windows[row]) for row in rows],
            fixations=[fixations[row] for row in rows],
            truth=self.truth and [_cut_window(self.truth[row], cell_windows[row]) for row in rows],
        )

    def describe(self) -> dict[str, Any]:
        """Count images and fixations, and add a fingerprint of both."""
        digest = hashlib.sha256(json.dumps([self.key, self.names]).encode())  # the key stands for the pixels
        for fixations in self.fixations:
            digest.update(fixations.points.tobytes())
        facts: dict[str, Any] = {
            "images": len(self),
            "fixations": int(self.fixation_counts.sum()),
            "fingerprint": digest.hexdigest()[:16],
        }
        return {**facts, "left_out": len(self.bad)} if self.bad else facts


def cell_grid(shape: Shape) -> Shape:
    """Return height and width in cells of an image of `shape` pixels."""
    return shape[0] // CELL, shape[1] // CELL


def _window(shape: Shape, share: float, corner: int) -> list[int]:
    """Return top, left, height and width of a window in pixels, all multiples of the cell."""
    height, width = (max(CELL, int(side * share) // CELL * CELL) for side in shape)
    return [(shape[0] - height) * (corner // 2), (shape[1] - width) * (corner % 2), height, width]


def _move_into(window: list[int], fixations: Fixations) -> Fixations:
    """Return the fixations inside a window, in its own pixels."""
    top, left, height, width = window
    corner = np.array([left, top], np.float32)
    points = fixations.points - corner
    inside = np.all((points >= 0) & (points < (width, height)), axis=1)
    return Fixations(points, fixations.history - corner).select(inside)


def _cut_window(array: np.ndarray, window: list[int]) -> np.ndarray:
    top, left, height, width = window
    return array[top : top + height, left : left + width]
