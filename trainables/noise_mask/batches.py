"""Training batches of noise_mask: order and augmentation, drawn for the whole batch from seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.images.augment import crop, draw_crops, draw_erasures, erase, to_device
from trainables.noise_mask.config import Config
from trainables.noise_mask.split import ClassImages
from trainables.processes import Processes
from trainables.training.generators import seeded_generator

SMALLEST_CROP = 0.25  # of the area


class Batch(NamedTuple):
    """This process's rows of a batch.

    Attributes:
        images: float32 `[b, C, S, S]`, normalised.
        labels: int64 `[b]`.
        step: of the whole training, from 0.
        size: images of the whole batch, over all processes.
    """

    images: Tensor
    labels: Tensor
    step: int
    size: int


@dataclass(frozen=True)
class Batches:
    """The training images as batches.

    Attributes:
        config: batch size and augmentation.
        train: the images.
        device: of the batches.
        processes: that share every batch.
        seed: of order and augmentation.
    """

    config: Config
    train: ClassImages
    device: torch.device
    processes: Processes
    seed: int

    @property
    def size(self) -> int:
        """The number of images in a whole batch; the last, incomplete batch of an epoch is left out."""
        return min(self.config.batch_size, len(self.train))

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return len(self.train) // self.size

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """Shuffle and augment an epoch's batches; a function of seed and epoch."""
        order = torch.randperm(len(self.train), generator=seeded_generator(torch.device("cpu"), self.seed, epoch, 0))
        streams = (seeded_generator(self.device, self.seed, epoch, stream) for stream in (1, 3))  # 2 is that of masks
        crops, erasures = streams
        for index, rows in enumerate(order.split(self.size)[: self.steps]):
            yield self._batch(rows, crops, erasures, epoch * self.steps + index)

    def _batch(self, rows: Tensor, crops: torch.Generator, erasures: torch.Generator, step: int) -> Batch:
        images, labels = to_device(self.train, self.processes.rows(rows), self.device)
        if self.config.augment == "crop_flip":
            maps = draw_crops(len(rows), crops, smallest=SMALLEST_CROP, mirror=True)
            images = crop(images, self.processes.rows(maps))
        if self.config.erase > 0:
            rectangles = draw_erasures(len(rows), erasures, share=self.config.erase)
            images = erase(images, self.processes.rows(rectangles))
        return Batch(images, labels, step, len(rows))
