"""From a sample of the cells to the mask that an image is multiplied by.

Resizing and blur are linear, and separable: together they are one matrix `[S, g]` from cells to pixels, which is
applied to columns and to rows. On a CPU that is fifty times as fast as convolutions of the resized field, and on a GPU
it keeps float32, where convolutions may fall back to ten bits.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.noise_mask.config import Config

LEAST_SIGMA = 1e-6
"""A blur of this deviation in pixels is none."""


def to_mask(cells: Tensor, config: Config) -> Tensor:
    """Make the mask in pixels, float32 `[B, 1, S, S]`, also under autocast; differentiable.

    Cells are resized to `image_size` by their nearest neighbour and blurred. Then the mask m becomes
    1 + amplitude · (m − 1), or with `mean_preserving` 1 + amplitude · (m − mean of m), image by image.

    Args:
        cells: `[B, 1, g, g]`, in [0, 1].
        config: gives image_size, sigma, blur_width, amplitude and mean_preserving.
    """
    with torch.autocast(cells.device.type, enabled=False):
        weights = _pixel_weights(cells.shape[-1], config, cells.device)
        mask = weights @ cells.float() @ weights.T
        middle = mask.mean(dim=(1, 2, 3), keepdim=True) if config.mean_preserving else 1.0
        return 1 + config.amplitude * (mask - middle)


def _pixel_weights(grid: int, config: Config, device: torch.device) -> Tensor:
    """Compute the weight of each cell of a row in each pixel, `[S, grid]`; they sum to 1 in every pixel."""
    side, width = config.image_size, config.blur_width
    source = torch.arange(side, device=device) * grid // side  # each pixel's nearest cell, from its left edge
    one_hot = (source == torch.arange(grid, device=device)[:, None]).float()
    # Reflection needs more pixels than it adds; beyond the image, a wider blur repeats its last pixel.
    rows = F.pad(one_hot, (width // 2, width // 2), mode="replicate" if width > side else "reflect")
    return (rows.unfold(1, width, 1) @ _gaussian(config.sigma, width, device)).T


def _gaussian(sigma: float, width: int, device: torch.device) -> Tensor:
    """Compute the weights `[width]` of a Gaussian of that deviation in pixels, cut at the width; their sum is 1."""
    offsets = torch.arange(width, device=device) - width // 2
    weights = (-0.5 * (offsets / max(sigma, LEAST_SIGMA)).square()).exp()
    return weights / weights.sum()
