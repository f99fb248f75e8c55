"""The network: from an image with markers to where the next object is, and whether all are marked.

backbone → maps at several strides → one map at a quarter of the side (`neck`) → pooled features, with `glimpses` looked
at again by recurrent attention → heads of location and done.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.networks.pretrained import timm_arguments
from trainables.seq_attention import heatmap
from trainables.seq_attention.backbones import SMALL, check
from trainables.seq_attention.config import Config
from trainables.seq_attention.markers import CHANNELS
from trainables.settings import UsageError

STRIDE = 4
"""Pixels of the input per cell of the fused map."""


class Prediction(NamedTuple):
    """What the network says of b images.

    Attributes:
        location: float32 `[b, 2]`, normalised x and y.
        done: float32 `[b]`, logit of there being nothing left.
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
        self.peak = config.spatial_loss == "heatmap_ce"
        cast(Any, self).to(memory_format=torch.channels_last)  # what a GPU wants, and no slower on a CPU

    def forward(self, images: Tensor, count: Tensor, extent: Tensor) -> Prediction:
        """Predict.

        Args:
            images: float32 `[b, 7, S, S]`, what `markers.seen` gives.
            count: int `[b]`, how many objects are marked.
            extent: `[b, 2]`, share of the square's width and height that the image fills.
        """
        cells = self.neck(self.backbone(images.contiguous(memory_format=torch.channels_last)))
        with torch.autocast(images.device.type, enabled=False):  # a bf16 near 1 is 0.4 pixels of 384 off
            return self._answer(cells, count, extent)

    def _answer(self, cells: Tensor, count: Tensor, extent: Tensor) -> Prediction:
        inside = heatmap.inside(extent, *cells.shape[2:])
        features = torch.cat([_pooled(cells, inside), count[:, None].float().log1p()], dim=1)
        if self.glimpses is not None:
            features = features + self.glimpses(cells, inside, features)
        done = self.done(features)[:, 0]
        if isinstance(self.location, Regression):
            return Prediction(self.location(features), done, None, None)
        logits = self.location(cells, features)
        where = heatmap.peak(logits, inside) if self.peak else heatmap.mean(logits, inside)
        return Prediction(where, done, logits, inside)

    def parts(self) -> dict[str, nn.Module]:
        """The parts by name, each of which should get a gradient."""
        return dict(self.named_children())


class Small(nn.Module):
    """Four stages of two 3 × 3 convolutions with group normalisation, at strides 4, 8, 16 and 32, for small images."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = [width, width * 3 // 2, width * 2, width * 2]
        self.stem = nn.Sequential(*_block(CHANNELS, width // 2, 2))
        before = [width // 2, *self.channels[:-1]]
        self.stages = nn.ModuleList(
            nn.Sequential(*_block(narrow, wide, 2), *_block(wide, wide, 1))
            for narrow, wide in zip(before, self.channels, strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps `[b, C, S/4, S/4]` to `[b, C, S/32, S/32]` of images `[b, 7, S, S]`."""
        maps = [self.stem(images)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]


class Timm(nn.Module):
    """A timm model's feature maps from stride 4 on; its stem sees three mixtures of the seven channels.

    They begin as the image's own red, green and blue, so that pretrained weights meet what they know.

    Raises:
        UsageError: no such model, weights that are no file, or a model without such maps.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        import timm  # noqa: PLC0415  (its import takes seconds, and the small network needs none)

        check(config)
        try:
            self.net = timm.create_model(config.backbone, features_only=True, **timm_arguments(config.weights))
        except (AttributeError, NotImplementedError, RuntimeError, ValueError) as error:
            raise UsageError(f"backbone={config.backbone} has no feature maps: {error}.") from error
        strides = self.net.feature_info.reduction()
        self.kept = [index for index, stride in enumerate(strides) if stride >= STRIDE]
        if not self.kept or strides[self.kept[0]] != STRIDE:
            raise UsageError(
                f"backbone={config.backbone} has maps at strides {strides} and none at {STRIDE}: take resnet18, say."
            )
        self.channels = [self.net.feature_info.channels()[index] for index in self.kept]
        self.mix = nn.Conv2d(CHANNELS, 3, 1)
        with torch.no_grad():
            self.mix.weight.zero_()[:, :3, 0, 0] = torch.eye(3)
            self.mix.bias = nn.Parameter(torch.zeros(3))

    def forward(self, images: Tensor) -> list[Tensor]:
        """As `Small`."""
        maps = self.net(self.mix(images))
        return [maps[index] for index in self.kept]


class Neck(nn.Module):
    """Fuses the maps, coarse to fine, at the finest one's stride, with x and y of every cell beside its channels.

    Source: Lin et al. 2017, Feature pyramid networks, section 3, with one output.
    """

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(each, width, 1) for each in channels)
        self.smooth = nn.Sequential(*_block(width + 2, width, 1))

    def forward(self, maps: list[Tensor]) -> Tensor:
        """The fused map `[b, width + 2, h, w]`, float32."""
        fused = self.lateral[-1](maps[-1])
        for lateral, finer in zip(reversed(self.lateral[:-1]), reversed(maps[:-1]), strict=True):
            fused = F.interpolate(fused, size=finer.shape[2:], mode="bilinear", align_corners=False) + lateral(finer)
        x, y = heatmap.cells(fused.shape[2], fused.shape[3], fused.device)
        where = torch.stack([x.expand(fused.shape[2:]), y[:, None].expand(fused.shape[2:])]).expand(
            len(fused), -1, -1, -1
        )
        cells = self.smooth(torch.cat([fused, where.to(fused.dtype)], dim=1))
        return torch.cat([cells.float(), where], dim=1)


class Glimpses(nn.Module):
    """Recurrent attention: a state asks the map where to look, reads there, and changes, a few times.

    Attention is soft, so that what is looked at gets a gradient; the published one's was zero.

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
        """What to add to the features `[b, F]`, of the map `[b, C, h, w]` and bool `[b, h, w]`."""
        keys, values = self.key(cells).flatten(2), self.value(cells).flatten(2)  # [b, C, h·w]
        outside = ~inside.flatten(1)
        state = torch.tanh(self.begin(features))
        for _ in range(self.steps):
            scores = torch.einsum("bc,bcp->bp", self.query(state), keys) / math.sqrt(keys.shape[1])
            looked_at = scores.masked_fill(outside, -torch.inf).softmax(dim=1)
            state = self.cell(torch.einsum("bp,bcp->bc", looked_at, values), state)
        return self.end(state)


class Regression(nn.Module):
    """x and y, each by a head of its own, from pooled features; neither clamped nor squashed."""

    def __init__(self, features: int, dropout: float) -> None:
        super().__init__()
        self.x, self.y = head(features, dropout), head(features, dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Normalised `[b, 2]`."""
        return torch.cat([self.x(features), self.y(features)], dim=1)


class HeatMap(nn.Module):
    """A logit for every cell of the map; the pooled features say what is looked for."""

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.wanted = nn.Linear(features, channels)
        self.score = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.SiLU(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, cells: Tensor, features: Tensor) -> Tensor:
        """Logits `[b, h, w]` of the map `[b, C, h, w]` and the features `[b, F]`."""
        scores: Tensor = self.score(cells + self.wanted(features)[:, :, None, None])
        return scores[:, 0]


def head(features: int, dropout: float) -> nn.Sequential:
    """The published head: linear to half the width, ReLU, dropout, linear to one number."""
    half = max(1, features // 2)
    return nn.Sequential(nn.Linear(features, half), nn.ReLU(), nn.Dropout(dropout), nn.Linear(half, 1))


def _pooled(cells: Tensor, inside: Tensor) -> Tensor:
    """Mean and maximum over the cells inside, `[b, 2·C]`."""
    there = inside[:, None]
    mean = (cells * there).sum((2, 3)) / there.sum((2, 3))
    return torch.cat([mean, cells.masked_fill(~there, -torch.inf).amax((2, 3))], dim=1)


def _block(before: int, after: int, stride: int) -> list[nn.Module]:
    groups = math.gcd(8, after)
    return [
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(groups, after),
        nn.SiLU(),
    ]
