"""The way that the weights have come, saved with them: whether they are heated, and what the policy knew at first."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.images.augment import to_device
from trainables.noise_mask.policy import Policy
from trainables.noise_mask.split import ClassImages

_IMAGES = 32  # training images on which the policy's learning is measured


class Progress(nn.Module):
    """State of a training that is saved with the weights.

    Args:
        cells: of a mask, 0 without a policy.

    Attributes:
        heated: whether the last epoch was one under masks, so that batch norms know masked images alone.
        expected: expected values `[n, cells]` of the policy's cells on n training images before training.
    """

    heated: Tensor
    expected: Tensor

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.register_buffer("heated", torch.tensor(False))
        self.register_buffer("expected", torch.zeros(_IMAGES, cells))

    def record_policy(self, policy: Policy, train: ClassImages) -> None:
        """Remember the policy as it is before training."""
        self.expected.copy_(self._expected_cells(policy, train))

    def policy_shift(self, policy: Policy, train: ClassImages) -> float:
        """Measure how far the policy has moved since then by learning: mean of the cells' absolute changes."""
        return float((self._expected_cells(policy, train) - self.expected).abs().mean())

    def _expected_cells(self, policy: Policy, train: ClassImages) -> Tensor:
        rows = torch.linspace(0, len(train) - 1, len(self.expected)).round().long()
        return policy.expected_cells(to_device(train, rows, self.expected.device)[0])
