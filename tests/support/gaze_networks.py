"""Networks of entropy_reg with random weights, and random inputs for them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.support.tiny_gaze import config
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.normed import NormedConv

CHANNELS = (5, 3)
SHAPES = [((48, 64), 1.0), ((64, 48), 1.0), ((300, 400), 2.0), ((400, 300), 2.0), ((96, 128), 1.5), ((36, 64), 1.0)]
SIZES = [
    ([(6, 8), (3, 4)], (12, 16)),  # multiples, as the published maps have
    ([(38, 50), (10, 13)], (38, 50)),  # 300 × 400 at half size, strides of 4 and 16: no multiples
    ([(10, 13), (5, 7)], (38, 50)),
    ([(5, 7)], (38, 50)),
    ([(7, 3), (7, 9)], (9, 21)),
    ([(24, 32), (6, 8)], (12, 16)),  # finer than the readout
    ([(24, 8), (6, 4)], (12, 16)),  # finer down, coarser across
]


def random_network(seed: int = 0, **values) -> DeepGaze:
    """Build a network whose norms and biases are not their initial values."""
    torch.manual_seed(seed)
    net = DeepGaze(CHANNELS, config(**values))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.ndim:
                parameter.add_(0.3 * torch.randn_like(parameter))
            assert parameter.isfinite().all(), name
    return net


def random_numbers(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_maps(sizes, images: int = 2, channels=CHANNELS) -> list[Tensor]:
    return [
        2 + random_numbers(images, c, *size, seed=index)
        for index, (c, size) in enumerate(zip(channels, sizes, strict=False))
    ]


def random_inputs(shape=(48, 64), images: int = 2) -> tuple[list[Tensor], tuple[int, int], Tensor]:
    height, width = shape
    sizes = [(math.ceil(height / 8), math.ceil(width / 8)), (math.ceil(height / 16), math.ceil(width / 16))]
    return random_maps(sizes, images), shape, random_numbers(images, height // 4, width // 4, seed=7)


def random_histories(number: int = 3, shape=(48, 64), images: int = 2) -> Tensor:
    """Draw histories `[images, number, 4, 2]` with every slot filled and one fixation outside of the image."""
    histories = torch.rand(images, number, 4, 2, generator=torch.Generator().manual_seed(3))
    histories = histories * torch.tensor([shape[1], shape[0]])
    histories[0, 0, 1] = torch.tensor([-5.0, shape[0] + 9.0])
    return histories


def random_norm(channels: int, *, bias: bool = True) -> NormedConv:
    torch.manual_seed(3)
    layer = NormedConv(channels, 6, bias=bias)
    layer.scale.data, layer.shift.data = random_numbers(channels, seed=2), random_numbers(channels, seed=3)
    return layer


def plain_norm(layer: NormedConv, maps: Tensor) -> Tensor:
    """`[B, C, h, w]`: the norm over all but the first axis, then the convolution."""
    scale, shift = (item[:, None, None].expand(maps.shape[1:]) for item in (layer.scale, layer.shift))
    return layer.conv(F.layer_norm(maps, maps.shape[1:], scale, shift, eps=1e-12))
