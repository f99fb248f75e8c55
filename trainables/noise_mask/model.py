"""The classifier, a network of timm; its images' normalisation; and batch-norm statistics without masks."""

from __future__ import annotations

from collections.abc import Iterable

import timm
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from trainables.networks.pretrained import timm_arguments
from trainables.noise_mask.config import Config
from trainables.noise_mask.policy import Policy
from trainables.processes import Processes
from trainables.settings import UsageError


class Standard(nn.Module):
    """Images of which 0 is the training images' mean and 1 their deviation; saved with the weights.

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
        """The normalised images of float `[B, C, S, S]` from 0 to 1."""
        return (images - self.mean) / self.std


def classifier(config: Config, classes: int) -> nn.Module:
    """Logits `[B, classes]` of images `[B, channels, S, S]`, with its first weights.

    Raises:
        UsageError: a backbone or weights that there are not.
    """
    if not timm.is_model(config.backbone):
        raise UsageError(
            f"backbone={config.backbone} is no model of timm: take resnet10t, or one of timm.list_models()."
        )
    made: nn.Module = timm.create_model(
        config.backbone, in_chans=config.channels, num_classes=classes, **timm_arguments(config.weights)
    )
    return made


def check(config: Config) -> None:
    """See that there are the networks of a config.

    Raises:
        UsageError: a backbone or weights that there are not, or that do not take images of this size.
    """
    classifier(config, 2)
    if config.has_policy:
        Policy(config, Processes())


def recalibrated(net: nn.Module, batches: Iterable[Tensor], device: torch.device) -> None:
    """Estimate the batch-norm statistics of `net` anew, in place, from images as they are without masks.

    Under masks the statistics become those of images of less contrast, with which a network without masks is not what
    was trained. Mean and variance are averaged over the batches, each with the same weight; weights, and which modules
    are in training mode, stay as they were. A network without batch norm is left alone, and its batches are not drawn.

    Args:
        net: the network.
        batches: of normalised images `[B, C, S, S]`, all of one size B ≥ 2, at least one.
        device: of the network.

    Source: Izmailov et al. 2018, Averaging weights leads to wider optima, section 3, where the weights have changed.
    """
    modes = {module: module.training for module in net.modules()}
    update_bn(batches, net, device)
    for module, mode in modes.items():  # update_bn gives all of them the network's own
        module.training = mode
