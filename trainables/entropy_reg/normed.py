"""A 1 × 1 convolution after a layer norm, on maps that stay as small as the backbone made them.

A map that is constant up to rounding is normalised to exactly 0. The layer norm's epsilon is so small that it would
otherwise enlarge what is only rounding, by up to a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.entropy_reg.split import Shape

_EPSILON = 1e-12
_UNIT = torch.finfo(torch.float32).eps / 2  # a rounding moves a float32 by at most this share of it
_PRODUCTS = 32  # in the longest sum that makes a map of one channel: the readout's last layer


class NormedConv(nn.Module):
    """A 1 × 1 convolution after a layer norm over channels and space together, with a scale and a shift per channel.

    Scale and shift are put into the convolution's weights, which is the same and saves a pass over the maps. Of an
    image whose maps are all one value up to rounding, every cell becomes the value of shift and bias.

    Source: Ba, Kiros and Hinton 2016, Layer Normalization; epsilon is that of DeepGaze III.
    """

    def __init__(self, channels: int, out: int, *, bias: bool = True) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.conv = nn.Conv2d(channels, out, 1, bias=bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Compute `[B, out, h, w]` of `[B, C, h, w]`."""
        return self.forward_together([maps], (maps.shape[2], maps.shape[3]))

    def forward_together(self, maps: Sequence[Tensor], grid: Shape) -> Tensor:
        """Compute `[B, out, *grid]`, as if all maps were enlarged to `grid` by nearest neighbours and concatenated.

        A cell's value depends on that cell and on means over all cells alone. So small maps stay small, every cell
        counting in the means as often as it would be copied, and the outcome is enlarged.

        Args:
            maps: each `[B, C, h, w]`, whose channels add up to those of this layer; maps above `grid` are reduced.
            grid: rows and columns of the outcome.
        """
        inputs = [layer.float() if _fits(layer, grid) else F.interpolate(layer.float(), grid) for layer in maps]
        weights = (self.conv.weight * self.scale[:, None, None]).split([layer.shape[1] for layer in inputs], dim=1)
        total = self._constant()
        for layer, weight in zip(_normalise(inputs, grid), weights, strict=True):
            output = F.conv2d(layer, weight)
            total = total + (output if output.shape[2:] == grid else F.interpolate(output.float(), grid))
        return total

    def _constant(self) -> Tensor:
        """Compute the output for maps of 0, from the shift and the convolution's bias: `[1, out, 1, 1]`."""
        constant = (self.conv.weight[:, :, 0, 0] * self.shift).sum(dim=1)
        return (constant if self.conv.bias is None else constant + self.conv.bias)[None, :, None, None]


def _fits(maps: Tensor, grid: Shape) -> bool:
    return maps.shape[2] <= grid[0] and maps.shape[3] <= grid[1]


def _normalise(maps: Sequence[Tensor], grid: Shape) -> list[Tensor]:
    """Subtract the maps' common mean and divide by their common deviation, over all channels and the cells of `grid`.

    Exactly 0 of an image whose values are one value up to rounding: neither its mean, which is rounded, too, nor its
    deviation says anything of it.
    """
    shares = [copy_shares((layer.shape[2], layer.shape[3]), grid).to(layer.device) for layer in maps]
    residuals = [layer - _mean(maps, shares)[:, None, None, None] for layer in maps]
    variance = _mean([layer.square() for layer in residuals], shares)
    factor = torch.where(_is_one_value(maps), 0.0, torch.rsqrt(variance + _EPSILON))
    return [layer * factor[:, None, None, None] for layer in residuals]


def is_rounding(low: Tensor, high: Tensor, largest: Tensor, products: int) -> Tensor:
    """Tell where values from `low` to `high` differ by no more than float32 sums of so many products may by rounding.

    Such a sum is off by at most `products` roundings of its largest parts, so two of them differ by twice that. The
    extremes are compared, and not the variance: their difference is exact, and one cell that differs is enough.

    Args:
        low: the least of the values; any shape.
        high: the greatest of them.
        largest: magnitude of the values.
        products: in each sum.

    Source: Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1.
    """
    return high - low <= 2 * products * _UNIT * largest


def _is_one_value(maps: Sequence[Tensor]) -> Tensor:
    """Tell of each image whether all its values, of all channels and cells, are the same up to rounding, `[B]`."""
    extremes = [layer.detach().flatten(1).aminmax(dim=1) for layer in maps]
    low = torch.stack([pair.min for pair in extremes]).amin(dim=0)
    high = torch.stack([pair.max for pair in extremes]).amax(dim=0)
    return is_rounding(low, high, torch.maximum(high, -low), _PRODUCTS)


def _mean(maps: Sequence[Tensor], shares: Sequence[Tensor]) -> Tensor:
    """Average over all channels and cells, each cell as often as its share says: `[B]`."""
    sums = [(layer.sum(dim=1) * share).sum(dim=(1, 2)) for layer, share in zip(maps, shares, strict=True)]
    return torch.stack(sums).sum(dim=0) / sum(layer.shape[1] for layer in maps)


@lru_cache(maxsize=64)
def copy_shares(size: Shape, grid: Shape) -> Tensor:
    """Return the share of the cells of `grid` that nearest neighbours copy from each of `size`: `[h, w]`."""
    rows, columns = (
        torch.bincount(nearest_indices(side, number), minlength=side) for side, number in zip(size, grid, strict=True)
    )
    return torch.outer(rows, columns) / (grid[0] * grid[1])


def nearest_indices(size: int, grid: int) -> Tensor:
    """Return the index of the cell of `size` that nearest neighbours copy to each of `grid` cells."""
    return F.interpolate(torch.arange(size, dtype=torch.float32)[None, None], grid)[0, 0].long()
