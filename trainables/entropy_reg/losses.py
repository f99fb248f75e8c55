"""The two terms of the loss, both in bits per fixation and over the image's pixels, for density cells of any size."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainables.entropy_reg.config import CELL

_CELL_BITS = 2 * math.log2(CELL)  # a cell's probability is shared by so many pixels, as a logarithm


def negative_log_likelihood(log_density: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
    """Compute the bits per fixation of each image, `[B]`: log2(HW) less the log-likelihood relative to uniform.

    Args:
        log_density: nats over the cells, `[B, 1, h, w]`, or one for every fixation, `[B, n, h, w]`.
        cells: int64 `[B, n]`, the index of every fixation's cell in the flattened density.
        weights: `[B, n]`, of every fixation in its image's mean; 0 where there is none; sums to 1 for each image.
    """
    flat = log_density.flatten(2)
    is_shared = flat.shape[1] == 1
    values = flat[:, 0].gather(1, cells) if is_shared else flat.gather(2, cells[..., None])[..., 0]
    return _CELL_BITS - (values * weights).sum(dim=1) / math.log(2)


def entropy(log_density: Tensor) -> Tensor:
    """Compute the entropy in bits over the pixels, `[…]`, of log-densities over cells `[…, h, w]`; at most log2(HW)."""
    return _CELL_BITS - (log_density.exp() * log_density).sum(dim=(-2, -1)) / math.log(2)


def weighted_mean(values: Tensor, weights: Tensor, total: float) -> Tensor:
    """Compute this process's part of a mean over a whole batch: the weighted sum of `[b]`, by the total per process."""
    return torch.sum(values * weights) / total
