"""The two terms of the loss, both in bits per fixation and of the image's pixels, whatever the density's cells are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainables.entropy_reg.config import CELL

_CELL_BITS = 2 * math.log2(CELL)  # a cell's probability is shared by so many pixels, as a logarithm


def negative_log_likelihood(log_density: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
    """Bits per fixation of each image, `[B]`: log2(HW) less the log-likelihood relative to uniform.

    Args:
        log_density: nats over the cells, `[B, 1, h, w]`, or one for every fixation, `[B, n, h, w]`.
        cells: int64 `[B, n]`, the place of every fixation's cell in the flattened density.
        weights: `[B, n]`, of every fixation in its image's mean; 0 where there is none; sums to 1 for each image.
    """
    flat = log_density.flatten(2)
    one = flat.shape[1] == 1
    chosen = flat[:, 0].gather(1, cells) if one else flat.gather(2, cells[..., None])[..., 0]
    return _CELL_BITS - (chosen * weights).sum(dim=1) / math.log(2)


def entropy(log_density: Tensor) -> Tensor:
    """Bits over the pixels, `[…]`, of log-densities over the cells `[…, h, w]`, nats; log2(HW) where uniform."""
    return _CELL_BITS - (log_density.exp() * log_density).sum(dim=(-2, -1)) / math.log(2)


def weighted_mean(values: Tensor, weights: Tensor, total: float) -> Tensor:
    """This process's part of a mean over a whole batch: the weighted sum of `[b]` by the batch's total per process."""
    return torch.sum(values * weights) / total
