"""Training batches: order, random draws, the way to the device, and augmentation there as whole-tensor operations.

Everything random is drawn for the whole batch from generators that seed and epoch determine; each process then takes
its rows. So an epoch is the same however often training was interrupted, and on however many processes it runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.images.augment import crop, draw_crops, to_device
from trainables.mask_st import sampling
from trainables.mask_st.config import Config
from trainables.mask_st.examples import Examples
from trainables.mask_st.model import draw_depth
from trainables.mask_st.policy import Rollout
from trainables.processes import Processes
from trainables.training.generators import seeded

SMALLEST_CROP = 0.8  # of the area
LARGEST_TURN = math.radians(7)


@dataclass
class Batch:
    """This process's rows of a batch, with the random draws that belong to them.

    Attributes:
        images: float `[b, C, S, S]`, normalised.
        labels: float `[b, K]`, 0 or 1.
        noise: `[b, 1, h, w]` for the mask's logits.
        depth: `[b, blocks]` factors of stochastic depth, or None.
        ramp: how far the mask losses are faded in, 0 to 1.
        rollout: what PPO did with the batch, once it has.
    """

    images: Tensor
    labels: Tensor
    noise: Tensor
    depth: Tensor | None
    ramp: float
    rollout: Rollout | None = None


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
        """How often an epoch goes through the images."""
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
        """An epoch's batches, shuffled."""
        order_generator = seeded(torch.device("cpu"), self.seed, epoch, 0)
        draws = seeded(self.device, self.seed, epoch, 1)
        index = 0
        for _ in range(self.repeats):
            order = torch.randperm(len(self.examples), generator=order_generator)
            for rows in order.split(self.size)[: self.steps // self.repeats]:
                progress = (epoch + index / self.steps) / self.config.epochs
                yield self._batch(rows, draws, ramp(self.config, progress))
                index += 1

    def _batch(self, rows: Tensor, draws: torch.Generator, faded_in: float) -> Batch:
        own = self.processes.rows
        noise = sampling.draw_noise(self._noise_kind, (len(rows), 1, self.side, self.side), draws)
        depth = draw_depth(self.drop_rates, len(rows), draws)
        crops = _crops(len(rows), draws) if self.config.augment == "light" else None
        images, labels = to_device(self.examples, own(rows), self.device)
        if crops is not None:
            images = crop(images, own(crops))
        return Batch(images, labels, own(noise), None if depth is None else own(depth), faded_in)

    @property
    def _noise_kind(self) -> str:
        """Random masks and PPO's actions are nothing but noise: logistic, so that P(on) is as stated."""
        return "logistic" if self.config.mask_kind in ("random", "ppo") else self.config.noise


def ramp(config: Config, progress: float) -> float:
    """The mask losses' factor, 0 to 1, at a share `progress` of the budget: first BCE alone, then a linear rise."""
    since = progress - config.bce_fraction
    if since < 0:
        return 0.0
    return min(1.0, since / config.ramp_fraction) if config.ramp_fraction > 0 else 1.0


def _crops(count: int, generator: torch.Generator) -> Tensor:
    return draw_crops(count, generator, smallest=SMALLEST_CROP, largest_turn=LARGEST_TURN)
