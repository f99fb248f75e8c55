"""The network: from an image with markers to the location of the next object, and whether all are marked.

backbone → maps at several strides → one map at a quarter of the side (`neck`) → pooled features, refined with
`glimpses` by recurrent attention → heads of location and done.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.networks.pretrained import check_networks
from trainables.seq_attention import heatmap
from trainables.seq_attention.config import SMALL, Config
from trainables.seq_attention.markers import CHANNELS
from trainables.settings import UsageError

STRIDE = 4
"""Pixels of the input per cell of the fused map."""


class Output(NamedTuple):
    """The network's output for b images.

    Attributes:
        location: float32 `[b, 2]`, normalised x and y.
        done: float32 `[b]`, logit of all objects being marked.
        logits: float32 `[b, h, w]` of the heat map, None with head=regression.
        inside: bool `[b, h, w]`, cells that lie in the image and not in the padding; None with head=regression.
    """

    location: Tensor
    done: Tensor
    logits: Tensor | None
    inside: Tensor | None


class Network(nn.Module):
    """Backbone, neck, glimpses and heads."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.backbone: nn.Module = Small(config.width) if config.backbone == SMALL else Timm(config)
        self.neck = Neck(cast(Any, self.backbone).channels, config.width)
        channels = config.width + 2  # x and y beside them
        features = 2 * channels + 1  # mean and maximum of the map, and how many are marked
        self.glimpses = Glimpses(features, channels, config.glimpses) if config.glimpses else None
        self.location: nn.Module = (
            HeatMap(features, channels) if config.head == "heatmap" else Regression(features, config.dropout)
        )
        self.done = head(features, config.dropout)
        self.takes_peak = config.spatial_loss == "heatmap_ce"
        cast(Any, self).to(memory_format=torch.channels_last)  # faster on a GPU, and no slower on a CPU

    def forward(self, images: Tensor, count: Tensor, extent: Tensor) -> Output:
        """Predict.

        Args:
            images: float32 `[b, 7, S, S]`, as `markers.network_input` composes them.
            count: int `[b]`, how many objects are marked.
            extent: `[b, 2]`, share of the square's width and height that the image fills.
        """
        cells = self.neck(self.backbone(images.contiguous(memory_format=torch.channels_last)))
        with torch.autocast(images.device.type, enabled=False):  # a bf16 near 1 is 0.4 pixels of 384 off
            return self._predict(cells, count, extent)

    def _predict(self, cells: Tensor, count: Tensor, extent: Tensor) -> Output:
        inside = heatmap.inside_mask(extent, *cells.shape[2:])
        features = torch.cat([_pool(cells, inside), count[:, None].float().log1p()], dim=1)
        if self.glimpses is not None:
            features = features + self.glimpses(cells, inside, features)
        done = self.done(features)[:, 0]
        if isinstance(self.location, Regression):
            return Output(self.location(features), done, None, None)
        logits = self.location(cells, features)
        location = heatmap.peak(logits, inside) if self.takes_peak else heatmap.mean(logits, inside)
        return Output(location, done, logits, inside)

    def parts(self) -> dict[str, nn.Module]:
        """Return the parts by name, each of which should get a gradient."""
        return dict(self.named_children())


class Small(nn.Module):
    """Four stages of two 3 × 3 convolutions with group normalisation, at strides 4, 8, 16 and 32, for small images."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = [width, width * 3 // 2, width * 2, width * 2]
        self.stem = nn.Sequential(*_block(CHANNELS, width // 2, 2))
        inputs = [width // 2, *self.channels[:-1]]
        self.stages = nn.ModuleList(
            nn.Sequential(*_block(narrow, wide, 2), *_block(wide, wide, 1))
            for narrow, wide in zip(inputs, self.channels, strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute maps `[b, C, S/4, S/4]` to `[b, C, S/32, S/32]` of images `[b, 7, S, S]`."""
        maps = [self.stem(images)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]


class Timm(nn.Module):
    """A timm model's feature maps from stride 4 on; its stem gets three mixtures of the seven channels.

    They begin as the image's own red, green and blue, so that pretrained weights get the input that they are made for.

    Raises:
        UsageError: an unknown model, one without such maps, or weights that cannot be used.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        # timm's import takes seconds, and the small network needs none
        from trainables.networks.first_weights import create_network  # noqa: PLC0415

        check_networks(config)
        try:
            self.net = cast(Any, create_network(config.backbone, config.weights, features_only=True))
        except UsageError:
            raise
        except (AttributeError, NotImplementedError, RuntimeError, ValueError) as error:
            raise UsageError(f"backbone={config.backbone} has no feature maps: {error}.") from error
        strides = self.net.feature_info.reduction()
        self.indices = [index for index, stride in enumerate(strides) if stride >= STRIDE]
        if not self.indices or strides[self.indices[0]] != STRIDE:
            raise UsageError(
                f"backbone={config.backbone} has maps at strides {strides} and none at {STRIDE}: take resnet18, say."
            )
        self.channels = [self.net.feature_info.channels()[index] for index in self.indices]
        self.mix = nn.Conv2d(CHANNELS, 3, 1)
        with torch.no_grad():
            self.mix.weight.zero_()[:, :3, 0, 0] = torch.eye(3)
            self.mix.bias = nn.Parameter(torch.zeros(3))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the maps, as `Small` does."""
        maps = self.net(self.mix(images))
        return [maps[index] for index in self.indices]


class Neck(nn.Module):
    """Fusion of the maps, coarse to fine, at the finest one's stride, with x and y of every cell beside its channels.

    Source: Lin et al. 2017, Feature pyramid networks, section 3, with one output.
    """

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.smooth = nn.Sequential(*_block(width + 2, width, 1))

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Fuse the maps to `[b, width + 2, h, w]`, float32."""
        fusion = self.lateral[-1](maps[-1])
        for lateral, finer in zip(reversed(self.lateral[:-1]), reversed(maps[:-1]), strict=True):
            fusion = F.interpolate(fusion, size=finer.shape[2:], mode="bilinear", align_corners=False) + lateral(finer)
        x, y = heatmap.cell_centres(fusion.shape[2], fusion.shape[3], fusion.device)
        centres = torch.stack([x.expand(fusion.shape[2:]), y[:, None].expand(fusion.shape[2:])])
        positions = centres.expand(len(fusion), -1, -1, -1)
        cells = self.smooth(torch.cat([fusion, positions.to(fusion.dtype)], dim=1))
        return torch.cat([cells.float(), positions], dim=1)


class Glimpses(nn.Module):
    """Recurrent attention: a state queries the map, reads where attention falls, and is updated, a few times.

    Attention is soft, so that the cells under it get a gradient; the published one's was zero.

    Source: the idea of Mnih et al. 2014, Recurrent models of visual attention, with the attention of Bahdanau et al.
    2015, section 3.1, as scaled dot products.
    """

    def __init__(self, features: int, channels: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.begin = nn.Linear(features, channels)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.cell = nn.GRUCell(channels, channels)
        self.end = nn.Linear(channels, features)

    def forward(self, cells: Tensor, inside: Tensor, features: Tensor) -> Tensor:
        """Return the change of the features `[b, F]`, from the map `[b, C, h, w]` and its cells inside `[b, h, w]`."""
        keys, values = self.key(cells).flatten(2), self.value(cells).flatten(2)  # [b, C, h·w]
        outside = ~inside.flatten(1)
        state = torch.tanh(self.begin(features))
        for _ in range(self.steps):
            scores = torch.einsum("bc,bcp->bp", self.query(state), keys) / math.sqrt(keys.shape[1])
            attention = scores.masked_fill(outside, -torch.inf).softmax(dim=1)
            state = self.cell(torch.einsum("bp,bcp->bc", attention, values), state)
        return self.end(state)


class Regression(nn.Module):
    """x and y, each by a head of its own, from pooled features; neither clamped nor squashed."""

    def __init__(self, features: int, dropout: float) -> None:
        super().__init__()
        self.x, self.y = head(features, dropout), head(features, dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Predict normalised locations `[b, 2]`."""
        return torch.cat([self.x(features), self.y(features)], dim=1)


class HeatMap(nn.Module):
    """A logit for every cell of the map, which the pooled features shift."""

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.wanted = nn.Linear(features, channels)  # the query; its name is a key of the checkpoints
        self.score = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.SiLU(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, cells: Tensor, features: Tensor) -> Tensor:
        """Compute logits `[b, h, w]` of the map `[b, C, h, w]` and the features `[b, F]`."""
        scores: Tensor = self.score(cells + self.wanted(features)[:, :, None, None])
        return scores[:, 0]


def head(features: int, dropout: float) -> nn.Sequential:
    """Build the published head: linear to half the width, ReLU, dropout, linear to one number."""
    half = max(1, features // 2)
    return nn.Sequential(nn.Linear(features, half), nn.ReLU(), nn.Dropout(dropout), nn.Linear(half, 1))


def _pool(cells: Tensor, inside: Tensor) -> Tensor:
    """Pool the mean and the maximum over the cells inside, `[b, 2·C]`."""
    mask = inside[:, None]
    mean = (cells * mask).sum((2, 3)) / mask.sum((2, 3))
    return torch.cat([mean, cells.masked_fill(~mask, -torch.inf).amax((2, 3))], dim=1)


def _block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    groups = math.gcd(8, outputs)
    return [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(groups, outputs),
        nn.SiLU(),
    ]
