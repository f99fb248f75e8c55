"""DeepGaze III behind its frozen backbone: features in, the log-density of a fixation out.

    features ──► readout ──► spatial priority ──┐
                                                ├─► selection ──► finaliser (blur, centre bias) ──► log-density
    the four fixations before ──► scanpath ─────┘

Source: Kümmerer, Bethge and Wallis 2022, DeepGaze III (Journal of Vision 22(5):7), "Model architecture".

Where this is computed otherwise, the result is the same: the readout works on the backbone's small maps (`NormedConv`),
and the density lives on cells of 4 × 4 pixels, in which it is constant anyway.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.entropy_reg.config import CELL, Config
from trainables.entropy_reg.normed import NormedConv, is_rounding, nearest_indices
from trainables.entropy_reg.scanpaths import HISTORY
from trainables.entropy_reg.split import Shape

_WIDTH, _HISTORY_CHANNELS = 128, 16
_PRODUCTS = 512  # in a sum of a backbone; what they may be off by is 15 times less than a level of one pixel makes
_LEAST_SIGMA = 0.05  # cells, added in squares: a blur below does nothing


class DeepGaze(nn.Module):
    """The trained part: readout, scanpath network, fixation selection, finaliser.

    Args:
        channels: of each map of the backbone.
        config: of the training.
    """

    def __init__(self, channels: Sequence[int], config: Config) -> None:
        super().__init__()
        self.downsample = config.downsample
        widths = [int(width) for width in config.readout.split("-")]
        self.readout = Readout((sum(channels), *widths, 1))
        self.scanpath = Scanpath() if config.history == "real" else None
        self.selection = Selection(scanpath=self.scanpath is not None)
        self.finaliser = Finaliser(config)

    def forward(
        self, features: Sequence[Tensor], shape: Shape, centre_bias: Tensor, history: Tensor | None = None
    ) -> Tensor:
        """Predict log-densities over the cells, nats, float32 `[B, K, H/4, W/4]`; exp sums to 1 over the cells.

        Args:
            features: the backbone's maps, each `[B, C, h, w]`.
            shape: H and W of the images in pixels.
            centre_bias: log-density over the cells, `[B, H/4, W/4]`; of a constant, none.
            history: `[B, K, 4, 2]`, x and y in pixels of the four fixations before each of K, the last one first; NaN
                where there was none. Without it the model is the spatial one, and K is 1.

        Raises:
            ValueError: a centre bias of another number of dimensions or size; a history for a spatial model.
        """
        cells = (shape[0] // CELL, shape[1] // CELL)
        if centre_bias.ndim != 3 or tuple(centre_bias.shape[1:]) != cells:
            raise ValueError(f"centre_bias has shape {list(centre_bias.shape)}, and not [B, {cells[0]}, {cells[1]}]")
        grid = tuple(math.ceil(side / self.downsample / CELL) for side in shape)
        priority = self.readout(features, (grid[0], grid[1]))
        number = 1 if history is None else history.shape[1]
        scanpath = None
        if history is not None:
            if self.scanpath is None:
                raise ValueError("a history for the spatial model: build it with history=real")
            priority = priority.repeat_interleave(number, dim=0)
            scanpath = self.scanpath(history.flatten(0, 1), shape, (grid[0], grid[1]))
        maps = self.selection(priority, scanpath)
        density: Tensor = self.finaliser(maps, centre_bias.repeat_interleave(number, dim=0))
        return density.unflatten(0, (-1, number))

    @property
    def conditional(self) -> bool:
        """Whether these weights are those of a model with histories."""
        return self.scanpath is not None and bool(self.scanpath.shown)

    def show_history(self, enabled: bool) -> None:
        """Make the weights those of a model with histories, or without; a spatial model never has any."""
        if self.scanpath is not None:
            self.scanpath.shown.fill_(enabled)

    def parts(self) -> Mapping[str, nn.Module]:
        """Return the networks by name."""
        return {name: part for name, part in self.named_children() if part is not None}


class Readout(nn.Module):
    """The spatial priority: a few 1 × 1 convolutions, each after a layer norm and before a softplus.

    Where an image's features are the same in all cells, so is its priority. A convolution may round differently from
    cell to cell, so this is made true rather than trusted to come out.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(NormedConv(before, after) for before, after in itertools.pairwise(widths))

    def forward(self, features: Sequence[Tensor], grid: Shape) -> Tensor:
        """Compute the priority `[B, 1, *grid]` of maps `[B, C, h, w]`, whose sizes may differ."""
        first, *rest = (cast(NormedConv, layer) for layer in self.layers)
        maps = F.softplus(first.forward_together(features, grid))
        for layer in rest:
            maps = F.softplus(layer(maps))
        return torch.where(_is_constant(features)[:, None, None, None], maps[:, :, :1, :1], maps)


class Scanpath(nn.Module):
    """Where the eye was: per slot of the history three maps (Δx, Δy, distance), in units of the longer side.

    Attributes:
        shown: whether histories are shown; saved with the weights, which are those of a spatial model before.
    """

    shown: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shown", torch.tensor(False))
        self.slots = nn.ModuleList(nn.Conv2d(3, _WIDTH, 1) for _ in range(HISTORY))
        self.narrow = NormedConv(_WIDTH, _HISTORY_CHANNELS)

    def forward(self, history: Tensor, shape: Shape, grid: Shape) -> Tensor:
        """Compute maps `[N, 16, *grid]` of a history `[N, 4, 2]`; a slot that is NaN adds nothing."""
        y, x = (_middles(side, number).to(history.device) for side, number in zip(shape, grid, strict=True))
        exists = ~history.isnan().any(dim=2)
        points = torch.where(exists[..., None], history, 0.0)  # NaN times 0 would be NaN
        total = history.new_zeros((len(history), _WIDTH, *grid))
        for slot, conv in enumerate(self.slots):
            right = (x[None, None, :] - points[:, slot, 0, None, None]).expand(-1, *grid)
            down = (y[None, :, None] - points[:, slot, 1, None, None]).expand(-1, *grid)
            maps = torch.stack([right, down, torch.hypot(right, down)], dim=1) / max(shape)
            total = total + conv(maps) * exists[:, slot, None, None, None]
        output: Tensor = F.softplus(self.narrow(F.softplus(total)))
        return output


class Selection(nn.Module):
    """The choice of the next fixation: priority and, where there are any, scanpath maps, combined cell by cell."""

    def __init__(self, *, scanpath: bool) -> None:
        super().__init__()
        self.priority = NormedConv(1, _WIDTH)
        self.scanpath = NormedConv(_HISTORY_CHANNELS, _WIDTH, bias=False) if scanpath else None
        self.narrow = NormedConv(_WIDTH, 16)
        self.out = nn.Conv2d(16, 1, 1, bias=False)  # the density is normalised: a bias would do nothing

    def forward(self, priority: Tensor, scanpath: Tensor | None) -> Tensor:
        """Combine priority `[N, 1, h, w]` and scanpath maps `[N, 16, h, w]` to `[N, 1, h, w]`."""
        total = self.priority(priority)
        if self.scanpath is not None and scanpath is not None:
            total = total + self.scanpath(scanpath)
        output: Tensor = self.out(F.softplus(self.narrow(F.softplus(total))))
        return output


class Finaliser(nn.Module):
    """Blurs with a learned Gaussian, adds the weighted centre bias, and normalises.

    The deviation is trained by its logarithm, so that a step changes it by a share of itself.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.log_sigma = nn.Parameter(torch.tensor(math.log(config.sigma)), requires_grad=config.learn_sigma)
        weight = torch.tensor(config.centre_bias_weight)
        trains_weight = config.learn_centre_bias_weight and config.centre_bias == "kde"
        self.centre_bias_weight = nn.Parameter(weight, requires_grad=trains_weight)

    def forward(self, maps: Tensor, centre_bias: Tensor) -> Tensor:
        """Compute the log-density `[N, h, w]` of maps `[N, 1, …]` and a centre bias `[N, h, w]`, in float32."""
        with torch.autocast(maps.device.type, enabled=False):
            cells = F.interpolate(maps.float(), centre_bias.shape[1:], mode="bilinear", align_corners=False)
            total = self._blur(cells)[:, 0] + self.centre_bias_weight * centre_bias.float()
            return total.flatten(1).log_softmax(dim=1).view_as(total)

    @property
    def sigma(self) -> Tensor:
        """The blur's deviation as a share of the longer side."""
        return self.log_sigma.exp()

    def _blur(self, maps: Tensor) -> Tensor:
        """Blur separably, cut off at three deviations, with the edge's values beyond the edge."""
        sigma = torch.hypot(self.sigma * max(maps.shape[-2:]), torch.full_like(self.log_sigma, _LEAST_SIGMA))
        radius = max(1, math.ceil(3 * sigma.item()))
        distance = torch.arange(-radius, radius + 1, device=maps.device)
        kernel = torch.softmax(-0.5 * (distance / sigma).square(), dim=0)
        padding = F.pad(maps, (radius, radius, radius, radius), mode="replicate")
        return F.conv2d(F.conv2d(padding, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def _is_constant(features: Sequence[Tensor]) -> Tensor:
    """Tell of each image whether every channel of its maps is one value over the cells up to rounding, `[B]`."""
    constant = []
    for maps in features:
        low, high = maps.detach().float().flatten(2).aminmax(dim=2)
        largest = torch.maximum(high, -low).amax(dim=1, keepdim=True)
        constant.append(is_rounding(low, high, largest, _PRODUCTS).all(dim=1))
    return torch.stack(constant).all(dim=0)


def _middles(side: int, number: int) -> Tensor:
    """Return the middle of the pixel that stands for each of `number` cells along a side."""
    return nearest_indices(side, number) + 0.5
