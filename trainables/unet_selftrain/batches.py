"""Training batches: random tiles of the micrographs with their targets, on the device, augmented there.

Everything random is drawn for the whole epoch or the whole batch from generators of the CPU that seed and epoch
determine; each process then takes its rows. So an epoch is the same however often training was interrupted, with any
number of processes, and on any device.

Tiles lie anywhere and not around particles: else a network could learn that there is a disc at the centre.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainables.processes import Processes
from trainables.training.generators import seeded_generator
from trainables.unet_selftrain import augment
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.downsampling import z_score
from trainables.unet_selftrain.split import Micrographs
from trainables.unet_selftrain.targets import IGNORE, POSITIVE

CPU = torch.device("cpu")


class Batch(NamedTuple):
    """This process's rows of a batch.

    Attributes:
        images: float32 `[b, 1, T, T]`, z-scores of their micrographs.
        targets: float32 `[b, 1, T, T]`, 0 to 1, or −1 where a pixel is ignored.
    """

    images: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Batches:
    """Micrographs and their targets as batches of tiles.

    Attributes:
        targets: of each micrograph, int8 `[H, W]` in percent, −1 where ignored.
    """

    config: Config
    micrographs: Micrographs
    targets: Sequence[np.ndarray]
    device: torch.device
    seed: int
    processes: Processes

    @property
    def steps(self) -> int:
        """Batches of one epoch; the last, incomplete one is left out."""
        return self._count // self.size

    @property
    def size(self) -> int:
        """Tiles of a whole batch, over all processes, as many for each."""
        size = min(self.config.batch_size, self._count)
        return size - size % self.processes.world

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield an epoch's batches, shuffled; the epoch determines all that is random."""
        tiles = self.draw_tiles(seeded_generator(CPU, self.seed, epoch, 0))
        draws = seeded_generator(CPU, self.seed, epoch, 1)
        for rows in torch.from_numpy(tiles).split(self.size)[: self.steps]:
            yield self._batch(rows, draws)

    def draw_tiles(self, generator: torch.Generator) -> np.ndarray:
        """Draw an epoch's tiles in their order, int `[N, 3]`: micrograph, and row and column of the upper left pixel.

        All positions are equally likely at which the tile lies in its micrograph. Where the micrograph is the smaller
        one, it lies in the tile instead, again anywhere.
        """
        tile = self.config.tile
        shapes = np.repeat([image.shape for image in self.micrographs.images], self._tile_counts, axis=0)
        room = shapes - tile
        uniform = torch.rand(len(shapes), 2, generator=generator, dtype=torch.float64).numpy()
        corners = np.minimum(room, 0) + np.floor(uniform * (np.abs(room) + 1)).astype(np.int64)
        order = torch.randperm(len(shapes), generator=generator).numpy()
        owners = np.repeat(np.arange(len(self._tile_counts)), self._tile_counts)
        return np.column_stack([owners, corners])[order]

    @property
    def _tile_counts(self) -> list[int]:
        """Tiles of each micrograph."""
        area = self.config.tile**2
        return [self.config.tiles or math.ceil(image.size / area) for image in self.micrographs.images]

    @property
    def _count(self) -> int:
        return sum(self._tile_counts)

    def _batch(self, tiles: Tensor, generator: torch.Generator) -> Batch:
        config = self.config
        draws = augment.draw(len(tiles), config, generator) if config.augment else None
        images, percent = self._windows(self.processes.rows(tiles).numpy())
        if draws is not None:
            images, percent = augment.warp(images, percent, draws.rows(self.processes), config.tile)
        return Batch(images, torch.where(percent < 0, percent, percent / POSITIVE))

    def _windows(self, tiles: np.ndarray) -> tuple[Tensor, Tensor]:
        """Crop the tiles with a margin for warps: z-scores and percent, float `[b, 1, W, W]`, on the device."""
        margin = augment.margin(self.config)
        side = self.config.tile + 2 * margin
        windows = np.empty((2, len(tiles), 1, side, side), np.uint8)  # bytes, and both in one copy to the device
        for index, (owner, top, left) in enumerate(tiles):
            pixels, target = self.micrographs.images[owner], self.targets[owner]
            windows[0, index, 0] = crop(pixels, top - margin, left - margin, side)
            windows[1, index, 0] = crop(target, top - margin, left - margin, side, IGNORE).view(np.uint8)
        images, percent = torch.from_numpy(windows).to(self.device)
        scores = torch.from_numpy(z_score(np.arange(256, dtype=np.uint8))).to(self.device)
        return scores[images.int()], percent.view(torch.int8).float()


def crop(array: np.ndarray, top: int, left: int, side: int, outside: int | None = None) -> np.ndarray:
    """Crop a square `[side, side]` from an array `[H, W]`; it may lie beyond the border.

    Args:
        array: `[H, W]`.
        top: row of the upper left pixel.
        left: column of it.
        side: in pixels.
        outside: the value beyond the border; None: the array is reflected there.
    """
    height, width = array.shape
    if 0 <= top <= height - side and 0 <= left <= width - side:
        return array[top : top + side, left : left + side]
    rows, columns = np.arange(top, top + side), np.arange(left, left + side)
    square = array[np.ix_(_reflect(rows, height), _reflect(columns, width))]
    if outside is not None:
        square[(rows < 0) | (rows >= height)] = outside
        square[:, (columns < 0) | (columns >= width)] = outside
    return square


def _reflect(positions: np.ndarray, length: int) -> np.ndarray:
    """Map positions into a line that is reflected at the centres of its first and last pixel, however often."""
    period = max(2 * (length - 1), 1)
    phase = positions % period
    return np.minimum(phase, period - phase) if length > 1 else np.zeros_like(positions)
