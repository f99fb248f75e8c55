"""The classifier, a network of timm; its images' normalisation; and batch-norm statistics without masks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from trainables.networks.first_weights import create_network
from trainables.noise_mask.config import Config
from trainables.noise_mask.policy import Policy
from trainables.processes import Processes


class Standardisation(nn.Module):
    """Normalisation after which 0 is the training images' mean and 1 their deviation; saved with the weights.

    Attributes:
        mean, std: float32 `[1]`, black being 0 and white 1; the same for all channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([mean], dtype=torch.float32))
        self.register_buffer("std", torch.tensor([std], dtype=torch.float32))

    def forward(self, images: Tensor) -> Tensor:
        """Normalise images, float `[B, C, S, S]` from 0 to 1."""
        return (images - self.mean) / self.std


def build_classifier(config: Config, classes: int) -> nn.Module:
    """Build a network that gives logits `[B, classes]` of images `[B, channels, S, S]`, with its first weights.

    Raises:
        UsageError: weights that cannot be read or fetched, or that fit nothing of the network.
    """
    return create_network(config.backbone, config.weights, in_chans=config.channels, num_classes=classes)


def check(config: Config) -> None:
    """See that the networks of a config can be built.

    Raises:
        UsageError: weights that cannot be used, or a policy_backbone that does not take images of this size.
    """
    build_classifier(config, 2)
    if config.has_policy:
        Policy(config, Processes())


def recalibrate(network: nn.Module, batches: Iterable[Tensor], device: torch.device) -> None:
    """Estimate the batch-norm statistics of a network anew, in place, from images without masks.

    Under masks the statistics become those of images of less contrast, and do not fit images without masks. Mean and
    variance are averaged over the batches, each with the same weight; weights, and which modules are in training mode,
    stay as they were. A network without batch norm is left alone, and its batches are not drawn.

    Args:
        network: of any kind.
        batches: of normalised images `[B, C, S, S]`, all of one size B ≥ 2, at least one.
        device: of the network.

    Source: Izmailov et al. 2018, Averaging weights leads to wider optima, section 3, where the weights have changed.
    """
    modes = {module: module.training for module in network.modules()}
    update_bn(batches, network, device)
    for module, mode in modes.items():  # update_bn puts all of them in the network's mode
        module.training = mode
