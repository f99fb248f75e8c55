"""Noise masks for images: drawn from the policy's distributions, or from one fixed Beta distribution."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Beta

from trainables.noise_mask.config import Config
from trainables.noise_mask.masks import to_mask
from trainables.noise_mask.policy import Policy
from trainables.processes import Processes
from trainables.training.generators import fork_generators

EDGE = 1e-4
"""Samples keep this distance from 0 and 1, where log-densities may be infinite and float32 has no neighbours."""

_STREAM = 2  # of random numbers, beside those of `batches`


class MaskSample(NamedTuple):
    """Masks of `b` images, `K` of each.

    Attributes:
        masks: float32 `[K·b, 1, S, S]`; all first masks come first.
        cells: the sampled values `[K, b, g²]`, 0 to 1.
        beta: their distribution over `[b, g²]`.
    """

    masks: Tensor
    cells: Tensor
    beta: Beta


class MaskSampler:
    """Draws the masks of images.

    Args:
        config: of the training.
        policy: None where masks come from no network.
        processes: that hold a batch together.
    """

    def __init__(self, config: Config, policy: Policy | None, processes: Processes) -> None:
        self.config, self.policy, self.processes = config, policy, processes

    def sample(self, images: Tensor, batch_size: int, numbers: tuple[int, ...], count: int) -> MaskSample:
        """Draw `count` masks for each of this process's images of a batch of `batch_size` in all.

        A function of weights, images and `numbers`. A policy's masks depend on the number of processes as well, because
        each process draws its own.
        """
        if self.policy is None:
            beta, cells = self._sample_fixed(images.device, batch_size, numbers, count)
        else:
            beta = self.policy(images)
            with fork_generators(images.device, *numbers, _STREAM, self.processes.rank):
                cells = sample_cells(beta, count, reparametrise=self.config.objective == "rsample")
        grids = cells.flatten(0, 1).view(-1, 1, self.config.grid, self.config.grid)
        return MaskSample(to_mask(grids, self.config), cells, beta)

    def _sample_fixed(
        self, device: torch.device, batch_size: int, numbers: tuple[int, ...], count: int
    ) -> tuple[Beta, Tensor]:
        """Draw the cells of the whole batch and take this process's, so that all processes draw what one would."""
        parameters = torch.full((batch_size, self.config.grid**2), self.config.random_beta, device=device)
        with fork_generators(device, *numbers, _STREAM):
            cells = sample_cells(Beta(parameters, parameters), count)
        rows = self.processes.rows(parameters)
        return Beta(rows, rows), cells[:, self.processes.rank :: self.processes.world]


def sample_cells(beta: Beta, count: int, reparametrise: bool = False) -> Tensor:
    """Draw samples `[count, B, grid²]` from 1e-4 to 1 − 1e-4, with torch's own generator: see `fork_generators`.

    Args:
        beta: over `[B, grid²]`.
        count: samples of every image.
        reparametrise: whether samples have a gradient to the parameters.

    Source of that gradient: implicit reparametrisation, Figurnov et al. 2018, as torch has it.
    """
    samples: Tensor = beta.rsample((count,)) if reparametrise else beta.sample((count,))
    return samples.clamp(EDGE, 1 - EDGE)
