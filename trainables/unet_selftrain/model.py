"""Networks from a micrograph to one logit per pixel: the published U-Net, or a U-Net over an encoder of timm."""

from __future__ import annotations

import itertools
import math
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainables.networks.pretrained import TIMM
from trainables.settings import UsageError
from trainables.unet_selftrain.config import Config

ENCODER_STRIDE = 32
NEUTRAL_PRIOR = 0.5  # with it the last layer keeps its random bias


class UNet(nn.Module):
    """The plain U-Net: per level two 3 × 3 convolutions with batch normalisation, max-pooling down, transposed
    convolutions up, 1 × 1 out.

    With 64 features and 4 levels (64-128-256-512, bottleneck 1024) it has the published 31,042,369 parameters.

    Source: Ronneberger et al. 2015, U-Net, section 2; with padding, so that output and input have one size.
    """

    def __init__(self, features: int, levels: int) -> None:
        super().__init__()
        widths = [features * 2**level for level in range(levels + 1)]
        pairs = list(itertools.pairwise(widths))
        self.stem = _double_convolution(1, features)
        self.down = nn.ModuleList(_double_convolution(narrow, wide) for narrow, wide in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(wide, narrow, 2, stride=2) for narrow, wide in reversed(pairs))
        self.merge = nn.ModuleList(_double_convolution(wide, narrow) for narrow, wide in reversed(pairs))
        self.head = nn.Conv2d(features, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits `[B, 1, H, W]` of images of that shape, H and W multiples of 2 to the number of levels."""
        maps = [self.stem(images)]
        for block in self.down:
            maps.append(block(nn.functional.max_pool2d(maps[-1], 2)))
        up = maps.pop()
        for enlarge, merge in zip(self.up, self.merge, strict=True):
            up = merge(torch.cat([maps.pop(), enlarge(up)], dim=1))
        logits: Tensor = self.head(up)
        return logits


def build_network(config: Config, device: torch.device) -> nn.Module:
    """Build the network with its first weights; a `prior` other than 0.5 decides the bias of its last layer.

    Source of the prior: Lin et al. 2017, Focal loss, section 4.1.

    Raises:
        UsageError: an encoder that makes no U-Net, or weights that cannot be used.
    """
    net, head = _build_plain(config) if config.network == "plain" else _build_over_encoder(config)
    if config.prior != NEUTRAL_PRIOR:
        nn.init.constant_(head.get_parameter("bias"), math.log(config.prior / (1 - config.prior)))
    return cast(Any, net.to(device)).to(memory_format=torch.channels_last)


def stride(config: Config) -> int:
    """Return the number of which height and width of the network's input must be multiples."""
    return int(2**config.levels) if config.network == "plain" else ENCODER_STRIDE


def _build_plain(config: Config) -> tuple[nn.Module, nn.Module]:
    """Build the plain network; return it and its last layer."""
    net = UNet(config.base_features, config.levels)
    return net, net.head


def _build_over_encoder(config: Config) -> tuple[nn.Module, nn.Module]:
    """Build a U-Net over an encoder of timm; return it and its last layer."""
    import segmentation_models_pytorch as smp  # noqa: PLC0415  (its import takes seconds, and the plain one needs none)

    from trainables.networks.first_weights import fetch_error, load_first_weights  # noqa: PLC0415  (timm's, too)

    encoder_weights = True if config.weights == TIMM else None
    try:
        net = smp.Unet(f"tu-{config.network}", encoder_weights=encoder_weights, in_channels=1, classes=1)
    except OSError as error:
        raise fetch_error(config.network, error) from error
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"network={config.network} cannot be the encoder of a U-Net: {error}.") from error
    load_first_weights(net.encoder.model, config.network, config.weights)
    return net, net.segmentation_head[0]


def _double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
