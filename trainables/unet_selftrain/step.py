"""Forward and losses of a training batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from trainables.contract import Step
from trainables.unet_selftrain.batches import Batch
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.losses import compute_losses


class TrainingStep:
    """The network's loss on a batch, reported with facts of the stage's targets."""

    def __init__(self, net: nn.Module, config: Config, facts: Mapping[str, float], device: torch.device) -> None:
        self._net, self._config = net, config
        self._facts = {f"train/{name}": torch.tensor(value, device=device) for name, value in facts.items()}

    def __call__(self, batch: Batch, update: int) -> Step:
        """Compute the loss on a batch, and its two terms without their weights."""
        losses = compute_losses(self._net(batch.images), batch.targets, self._config)
        return Step(losses.total, {"raw/focal": losses.focal, "raw/dice": losses.dice, **self._facts})
