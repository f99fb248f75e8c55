"""What rewards are compared with: a running mean, or the mean of the batch's other images.

Neither depends on the action that it judges, so the policy's gradient stays unbiased.

Source: Williams 1992, "Simple statistical gradient-following algorithms"; the leave-one-out mean, Kool et
al. 2019, "Buy 4 REINFORCE samples, get a baseline for free".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainables.processes import Processes

TINY = 1e-6


class Baseline:
    """Running mean and variance of the rewards, which turn rewards into advantages.

    Args:
        decay: of the running figures.
        processes: the figures are those of the whole batch.
    """

    def __init__(self, decay: float, processes: Processes) -> None:
        self.decay, self.processes = decay, processes
        self._moments: Tensor | None = None  # mean and variance

    def advantages(self, rewards: Tensor) -> Tensor:
        """(reward − mean) / deviation `[B]`; then take the rewards `[B]` into the running figures.

        The mean is of earlier batches, so it does not depend on the actions it judges. Finite for a single image and
        for equal rewards.
        """
        sums = torch.stack([rewards.sum(), rewards.square().sum(), torch.ones_like(rewards).sum()])
        first, second, images = self.processes.sum(sums)
        mean = first / images
        now = torch.stack([mean, second / images - mean.square()])
        known = now if self._moments is None else self._moments
        self._moments = self.decay * known + (1 - self.decay) * now
        return (rewards.detach() - known[0]) / (known[1].clamp(min=0).sqrt() + TINY)

    def state(self) -> dict[str, Any]:
        """The running figures."""
        return {"moments": self._moments}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._moments = state["moments"]


def others_mean(rewards: Tensor, processes: Processes) -> Tensor:
    """For every image the mean reward of all others in the whole batch, `[B]` of rewards `[B]`, without gradient.

    An image that is alone gets its own reward.
    """
    own = rewards.detach().double()  # exact for equal rewards: else rounding, over a tiny deviation, would be judged
    total, images = processes.sum(torch.stack([own.sum(), torch.ones_like(own).sum()]))
    return torch.where(images > 1, (total - own) / (images - 1).clamp(min=1), own).to(rewards.dtype)
