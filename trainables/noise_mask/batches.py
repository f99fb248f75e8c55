"""Training batches of noise_mask: order and augmentation, drawn for the whole batch from seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.images.augment import crop, draw_crops, draw_erasures, erase, to_device
from trainables.noise_mask.config import Config
from trainables.noise_mask.labelled import Labelled
from trainables.processes import Processes
from trainables.training.generators import seeded

SMALLEST_CROP = 0.25  # of the area


@dataclass(frozen=True)
class Batch:
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
    """The training images as batches."""

    config: Config
    train: Labelled
    device: torch.device
    processes: Processes

    @property
    def size(self) -> int:
        """Images of a whole batch; the last, incomplete batch of an epoch is left out."""
        return min(self.config.batch_size, len(self.train))

    @property
    def steps(self) -> int:
        """Batches of one epoch."""
        return len(self.train) // self.size

    def of_epoch(self, seed: int, epoch: int) -> Iterator[Batch]:
        """An epoch's batches, shuffled; a function of seed and epoch."""
        order = torch.randperm(len(self.train), generator=seeded(torch.device("cpu"), seed, epoch, 0))
        crops, erasures = (seeded(self.device, seed, epoch, stream) for stream in (1, 3))  # 2 is that of masks
        for index, rows in enumerate(order.split(self.size)[: self.steps]):
            yield self._batch(rows, crops, erasures, epoch * self.steps + index)

    def _batch(self, rows: Tensor, crops: torch.Generator, erasures: torch.Generator, step: int) -> Batch:
        images, labels = to_device(self.train, self.processes.rows(rows), self.device)
        if self.config.augment == "crop_flip":
            drawn = draw_crops(len(rows), crops, smallest=SMALLEST_CROP, mirrored=True)
            images = crop(images, self.processes.rows(drawn))
        if self.config.erase > 0:
            drawn = draw_erasures(len(rows), erasures, share=self.config.erase)
            images = erase(images, self.processes.rows(drawn))
        return Batch(images, labels, step, len(rows))
