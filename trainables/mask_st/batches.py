"""Training batches: order, random draws, transfer to the device, and augmentation there as whole-tensor operations.

Everything random is drawn for the whole batch from generators that seed and epoch determine; each process then takes
its rows. So an epoch is the same however often training was interrupted, and on however many processes it runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.images.augment import crop, draw_crops, to_device
from trainables.mask_st import sampling
from trainables.mask_st.config import Config
from trainables.mask_st.model import draw_depth
from trainables.mask_st.split import Examples
from trainables.processes import Processes
from trainables.training.generators import seeded_generator

MIN_CROP_AREA = 0.8  # share of the image's area
MAX_TURN = math.radians(7)


class Batch(NamedTuple):
    """This process's rows of a batch, with the random draws that belong to them.

    Attributes:
        images: float `[b, C, S, S]`, normalised.
        labels: float `[b, K]`, 0 or 1.
        noise: `[b, 1, h, w]` for the mask's logits.
        depth: `[b, blocks]` factors of stochastic depth, or None.
        ramp: factor of the mask losses, 0 to 1.
        number: of the batch in its epoch, from 0.
    """

    images: Tensor
    labels: Tensor
    noise: Tensor
    depth: Tensor | None
    ramp: float
    number: int


@dataclass(frozen=True)
class Batches:
    """The training examples as batches.

    Attributes:
        examples: uint8 images and their labels.
        side: of the mask, in cells.
        drop_rates: of the classifier's blocks.
    """

    config: Config
    examples: Examples
    side: int
    drop_rates: list[float]
    device: torch.device
    seed: int
    processes: Processes

    @property
    def repeats(self) -> int:
        """Passes of an epoch over the images."""
        return self.config.plain_repeats if self.config.mask_kind == "none" else 1

    @property
    def size(self) -> int:
        """Images of a whole batch; the last, incomplete batch of an epoch is left out."""
        return min(self.config.batch_size, len(self.examples))

    @property
    def steps(self) -> int:
        """Batches of one epoch."""
        return self.repeats * (len(self.examples) // self.size)

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, shuffled."""
        order_generator = seeded_generator(torch.device("cpu"), self.seed, epoch, 0)
        generator = seeded_generator(self.device, self.seed, epoch, 1)
        index = 0
        for _ in range(self.repeats):
            order = torch.randperm(len(self.examples), generator=order_generator)
            for rows in order.split(self.size)[: self.steps // self.repeats]:
                yield self._make_batch(rows, generator, epoch, index)
                index += 1

    def _make_batch(self, rows: Tensor, generator: torch.Generator, epoch: int, index: int) -> Batch:
        """Draw everything random for the whole batch, and take this process's rows."""
        share = self.processes.rows
        noise = sampling.draw_noise(self._noise_kind, (len(rows), 1, self.side, self.side), generator)
        depth = draw_depth(self.drop_rates, len(rows), generator)
        crops = None
        if self.config.augment == "light":
            crops = draw_crops(len(rows), generator, smallest=MIN_CROP_AREA, largest_turn=MAX_TURN)
        images, labels = to_device(self.examples, share(rows), self.device)
        if crops is not None:
            images = crop(images, share(crops))
        ramp = ramp_factor(self.config, (epoch + index / self.steps) / self.config.epochs)
        return Batch(images, labels, share(noise), None if depth is None else share(depth), ramp, index)

    @property
    def _noise_kind(self) -> str:
        """The kind of noise; random masks and PPO's actions need the logistic one, which makes P(on) = σ(logit)."""
        return "logistic" if self.config.mask_kind in ("random", "ppo") else self.config.noise


def ramp_factor(config: Config, progress: float) -> float:
    """Return the factor of the mask losses, 0 to 1: first 0, which is BCE alone, then rising linearly.

    Args:
        config: when it rises.
        progress: share of the budget that is used up.
    """
    excess = progress - config.bce_fraction
    if excess < 0:
        return 0.0
    return min(1.0, excess / config.ramp_fraction) if config.ramp_fraction > 0 else 1.0
