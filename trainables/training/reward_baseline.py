"""Baselines of rewards: a running mean, or the mean of the batch's other images.

Neither depends on the action that is rewarded, so the policy's gradient stays unbiased.

Source: Williams 1992, "Simple statistical gradient-following algorithms"; the leave-one-out mean, Kool et
al. 2019, "Buy 4 REINFORCE samples, get a baseline for free".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainables.processes import Processes

EPSILON = 1e-6


class RewardBaseline:
    """Running mean and variance of the rewards, which turn rewards into advantages.

    Args:
        decay: of the running moments.
        processes: that share a batch; the moments are those of the whole batch.
    """

    def __init__(self, decay: float, processes: Processes) -> None:
        self.decay, self.processes = decay, processes
        self._moments: Tensor | None = None  # mean and variance

    def advantages(self, rewards: Tensor) -> Tensor:
        """Compute (reward − mean) / deviation `[B]`, then update the running moments with the rewards `[B]`.

        The mean is that of earlier batches, so it does not depend on the actions that are rewarded. Finite for a single
        image and for equal rewards.
        """
        sums = torch.stack([rewards.sum(), rewards.square().sum(), torch.ones_like(rewards).sum()])
        first, second, images = self.processes.sum(sums)
        mean = first / images
        batch_moments = torch.stack([mean, second / images - mean.square()])
        moments = batch_moments if self._moments is None else self._moments
        self._moments = self.decay * moments + (1 - self.decay) * batch_moments
        return (rewards.detach() - moments[0]) / (moments[1].clamp(min=0).sqrt() + EPSILON)

    def state(self) -> dict[str, Any]:
        """Return the running moments."""
        return {"moments": self._moments}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._moments = state["moments"]


def leave_one_out_mean(rewards: Tensor, processes: Processes) -> Tensor:
    """Compute for every image the mean reward of all others in the whole batch, `[B]`, without gradient.

    The only image of a batch gets its own reward.
    """
    # Exact for equal rewards; else their rounding, divided by a tiny deviation, would count as an advantage.
    exact = rewards.detach().double()
    total, images = processes.sum(torch.stack([exact.sum(), torch.ones_like(exact).sum()]))
    return torch.where(images > 1, (total - exact) / (images - 1).clamp(min=1), exact).to(rewards.dtype)
