"""Means of named scalars over an epoch, kept on the device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor


class Means:
    """Running sums of named scalars on the device, so that a training step never waits for a copy."""

    def __init__(self, device: torch.device) -> None:
        self.sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=device))
        self.counts: dict[str, int] = defaultdict(int)

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add one value to each name."""
        for name, value in values.items():
            self.sums[name] = self.sums[name] + value.detach().float()
            self.counts[name] += 1

    def tensor(self) -> Tensor:
        """Return all means, in the order in which their names came."""
        return torch.stack([self.sums[name] / self.counts[name] for name in self.sums])

    def by_name(self, values: Tensor) -> dict[str, float]:
        """Name the means that `tensor` returned."""
        return dict(zip(self.sums, values.tolist(), strict=True))
