"""The two networks: a timm ConvNeXt that classifies, and a small convolutional network that proposes the mask.

Source: ConvNeXt, Liu et al. 2022, by way of timm.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn

from trainables.mask_st.config import Config
from trainables.networks.pretrained import TIMM

STRIDES = {1: (1, 1, 1), 4: (2, 2, 1), 8: (2, 2, 2), 16: (4, 2, 2)}
WIDTHS = (32, 64, 64)
LITERAL_WIDTHS = (16, 32)


class Classifier(nn.Module):
    """Logits `[B, K]` of images `[B, C, S, S]`.

    Stochastic depth is drawn outside (`draw_depth`) and passed in per image, so that in one concatenated batch the
    full images can have it and the keep and drop images not.

    Attributes:
        drop_rates: of the residual branches, rising with depth as timm's; empty for `micro`, which has none.

    Raises:
        UsageError: weights that cannot be read or fetched, or that fit nothing of the network.
    """

    def __init__(self, config: Config, channels: int, classes: int) -> None:
        super().__init__()
        micro = config.backbone == "micro"
        net: Any = Micro(channels, classes) if micro else _build_convnext(config, channels, classes)
        blocks = [] if micro else [block for stage in net.stages for block in stage.blocks]
        self.net: nn.Module = net
        self._branches = [_ScaleBranch() for _ in blocks]
        for block, branch in zip(blocks, self._branches, strict=True):
            block.drop_path = branch
        last = max(1, len(blocks) - 1)
        self.drop_rates = [config.drop_path * index / last for index in range(len(blocks))]
        self.layout = _memory_format(config)
        self.to(memory_format=self.layout)

    def forward(self, images: Tensor, depth: Tensor | None = None) -> Tensor:
        """Compute logits in float32; `depth` `[B, blocks]` multiplies each image's residual branches."""
        for index, branch in enumerate(self._branches):
            branch.scale = None if depth is None else depth[:, index]
        net: Any = self.net
        features = net.forward_features(images.contiguous(memory_format=self.layout))
        with _in_float32(images):
            logits: Tensor = net.forward_head(features.float())
        return logits

    def last_block(self) -> tuple[nn.Parameter, ...]:
        """Return the last parameters that all classes share, in which GradNorm compares the tasks."""
        net: Any = self.net
        block = net.body[-2] if isinstance(net, Micro) else net.stages[-1].blocks[-1]
        return tuple(block.parameters())


class Micro(nn.Module):
    """A plain network for small images on one CPU core: it sees 15 × 15 px at a time and keeps the best match.

    Not a small ConvNeXt: its normalisation at every position, which hides how strong a pattern is, and its depth-wise
    kernels need thousands of steps from random weights, where this network needs hundreds.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1),
            nn.SiLU(),
            *_block((16, 32), stride=2),
            *_block((32, 32), stride=1),
            nn.Conv2d(32, 32, 1),
            nn.AdaptiveMaxPool2d(1),
        )
        self.head = nn.Linear(32, classes)

    def forward_features(self, images: Tensor) -> Tensor:
        """Compute features `[B, 32]` of images `[B, C, S, S]`; the two halves have timm's names."""
        return self.body(images).flatten(1)

    def forward_head(self, features: Tensor) -> Tensor:
        """Compute logits `[B, K]`."""
        return self.head(features)


class MaskGenerator(nn.Module):
    """Mask logits `[B, 1, S/stride, S/stride]` of images `[B, C, S, S]`.

    `strided`: three 3×3 convolutions with GroupNorm and SiLU, receptive field 7 to 27 px by stride. `literal`: the
    published two 3×3 convolutions at stride 1, which see 5 × 5 px. The head's bias starts at logit(keep_ratio), so
    that training begins at the wanted coverage.
    """

    def __init__(self, config: Config, channels: int) -> None:
        super().__init__()
        if config.mask_arch == "strided":
            pairs = itertools.pairwise((channels, *WIDTHS))
            self.body = nn.Sequential(*map(_block, pairs, STRIDES[config.mask_stride]))
        else:
            pairs = itertools.pairwise((channels, *LITERAL_WIDTHS))
            layers = ((nn.Conv2d(*pair, 3, padding=1), nn.ReLU()) for pair in pairs)
            self.body = nn.Sequential(*itertools.chain.from_iterable(layers))
        self.head = nn.Conv2d(WIDTHS[-1] if config.mask_arch == "strided" else LITERAL_WIDTHS[-1], 1, 1)
        self.head.bias = nn.Parameter(torch.tensor([math.log(config.keep_ratio / (1 - config.keep_ratio))]))
        self.layout = _memory_format(config)
        self.to(memory_format=self.layout)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits, in float32."""
        features = self.body(images.contiguous(memory_format=self.layout))
        with _in_float32(images):
            logits: Tensor = self.head(features.float())
        return logits


def build_networks(
    config: Config, channels: int, classes: int, device: torch.device
) -> tuple[Classifier, MaskGenerator | None]:
    """Build the classifier, and the generator where masks are learnt, with their initial weights."""
    classifier = Classifier(config, channels, classes).to(device)
    if config.mask_kind in ("none", "random"):
        return classifier, None
    return classifier, MaskGenerator(config, channels).to(device)


def name_networks(classifier: Classifier, generator: MaskGenerator | None) -> dict[str, nn.Module]:
    """Return the networks by the names under which their weights are saved."""
    networks: dict[str, nn.Module] = {"classifier": classifier}
    return networks if generator is None else {**networks, "generator": generator}


def draw_depth(rates: list[float], images: int, generator: torch.Generator) -> Tensor | None:
    """Draw factors of stochastic depth `[images, blocks]`: 0 with the block's rate, else 1 / (1 − rate).

    Returns:
        None where all rates are 0.

    Source: Huang et al. 2016, sec. 3, scaled so that the mean is 1.
    """
    if not any(rates):
        return None
    survival = 1 - torch.tensor(rates, device=generator.device)
    draws = torch.rand(images, len(rates), generator=generator, device=generator.device)
    return (draws < survival).float() / survival


def _in_float32(images: Tensor) -> torch.autocast:
    """Leave autocast for the heads: in bf16, logits have 8 bits, so that whole groups of cells tie."""
    return torch.autocast(images.device.type, enabled=False)


def _memory_format(config: Config) -> torch.memory_format:
    return torch.channels_last if config.channels_last else torch.contiguous_format


class _ScaleBranch(nn.Module):
    """Multiplies a residual branch by one factor per image, in place of timm's own stochastic depth."""

    def __init__(self) -> None:
        super().__init__()
        self.scale: Tensor | None = None

    def forward(self, branch: Tensor) -> Tensor:
        return branch if self.scale is None else branch * self.scale[:, None, None, None].to(branch.dtype)


def _build_convnext(config: Config, channels: int, classes: int) -> Any:
    # timm's import takes seconds, and the micro network needs none
    from trainables.networks.first_weights import create_network  # noqa: PLC0415

    net: Any = create_network(config.backbone, config.weights, in_chans=channels, num_classes=classes)
    is_loaded = config.weights == TIMM or (hasattr(net, "first_weights") and "stem.0.bias" in net.first_weights.names)
    if not is_loaded:
        _initialise_stem(net.stem[0])
    return net


def _initialise_stem(convolution: nn.Conv2d) -> None:
    """Initialise the stem's biases as PyTorch does by default, where timm has zeros.

    Masked-out pixels are 0. With biases of 0 so is every feature there, and each normalisation of a zero vector
    multiplies the gradient by a thousand: it came out 10¹⁰ times too large, and clipping left nothing of the rest.
    """
    bound = 1 / math.sqrt(convolution.weight[0].numel())
    nn.init.uniform_(convolution.get_parameter("bias"), -bound, bound)


def _block(widths: tuple[int, int], stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(*widths, 3, stride=stride, padding=1, bias=False), nn.GroupNorm(4, widths[1]), nn.SiLU()
    )
