"""A map of logits over the square as a distribution of the next object's location, in float32 also under autocast.

The square is −1 to 1 on both axes, as everywhere in the network. Cells outside the image, in its padding, have
probability 0. Where `inside` is None, all cells are inside.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cell_centres(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the cells' centres, x `[w]` and y `[h]`."""
    x, y = ((torch.arange(count, device=device) + 0.5) * 2 / count - 1 for count in (width, height))
    return x, y


def inside_mask(extent: Tensor, height: int, width: int) -> Tensor:
    """Mark the cells whose centre is in the image, bool `[b, h, w]`; the first row and column, however thin it is.

    Args:
        extent: `[b, 2]`, share of the square's width and height that the image fills, from the upper left corner.
        height: of the map, in cells.
        width: of the map.
    """
    columns, rows = (
        torch.arange(count, device=extent.device) + 0.5 < (share * count).clamp(min=1)[:, None]
        for share, count in zip(extent.unbind(1), (width, height), strict=True)
    )
    return rows[:, :, None] & columns[:, None, :]


def log_probabilities(logits: Tensor, inside: Tensor | None) -> Tensor:
    """Normalise logits `[b, h, w]` over the cells inside, bool `[b, h, w]`; −inf outside."""
    logits = logits.float()
    if inside is not None:
        logits = logits.masked_fill(~inside, -torch.inf)
    return logits.flatten(1).log_softmax(dim=1).view_as(logits)


def mean(logits: Tensor, inside: Tensor | None) -> Tensor:
    """Return the distribution's mean (soft argmax), `[b, 2]`: of two equal peaks the middle, where neither is.

    Source: Luvizon et al. 2019, Human pose regression by combining indirect part detection and contextual information.
    """
    return _mean(log_probabilities(logits, inside).exp())


def peak(logits: Tensor, inside: Tensor | None, reach: int = 3) -> Tensor:
    """Return the mean of the distribution around its highest cell, `[b, 2]`: of two peaks it is one.

    For a map as `cross_entropy` teaches it, it is exact to 0.1 cells; where the highest cell is the last but one before
    the border to 0.25, where it is the last one to 0.5.

    Args:
        logits: `[b, h, w]`.
        inside: bool `[b, h, w]`, from `inside_mask`, or None.
        reach: cells to each side that are counted; near a border fewer, and on both sides equally many, because cells
            on one side alone would draw the mean to it.
    """
    log_map = log_probabilities(logits, inside)
    width = log_map.shape[2]
    mask = torch.ones_like(log_map, dtype=torch.bool) if inside is None else inside
    highest = log_map.flatten(1).argmax(dim=1)
    columns = _window(highest % width, mask.any(dim=1), reach)
    rows = _window(highest.div(width, rounding_mode="floor"), mask.any(dim=2), reach)
    return _mean(log_probabilities(log_map, mask & rows[:, :, None] & columns[:, None, :]).exp())


def cross_entropy(logits: Tensor, inside: Tensor | None, target: Tensor) -> Tensor:
    """Compute the cross-entropy against a Gaussian of one cell's deviation around each target, in nats, `[b]`.

    Of the Gaussian only the cells inside count, and there they sum to 1. The lowest value is its entropy, not 0.

    Args:
        logits: `[b, h, w]`.
        inside: bool `[b, h, w]`, or None.
        target: `[b, 2]`, normalised.
    """
    log_map = log_probabilities(logits, inside)
    height, width = log_map.shape[1:]
    x, y = cell_centres(height, width, log_map.device)
    target_x, target_y = target.detach().float().unbind(1)
    squared_x = ((x - target_x[:, None]) * width / 2) ** 2  # in cells
    squared_y = ((y - target_y[:, None]) * height / 2) ** 2
    gaussian = log_probabilities(-(squared_y[:, :, None] + squared_x[:, None, :]) / 2, inside).exp()
    if inside is not None:
        log_map = log_map.masked_fill(~inside, 0.0)  # 0 · −inf is no number
    return -(gaussian * log_map).sum(dim=(1, 2))


def _mean(probabilities: Tensor) -> Tensor:
    _, height, width = probabilities.shape
    x, y = cell_centres(height, width, probabilities.device)
    return torch.stack([(probabilities.sum(1) * x).sum(1), (probabilities.sum(2) * y).sum(1)], dim=1)


def _window(highest: Tensor, inside: Tensor, reach: int) -> Tensor:
    """Mark the cells around the highest one `[b]` that count on one axis, of those inside the image, bool `[b, c]`."""
    last = inside.sum(dim=1) - 1
    half_width = torch.minimum(highest, last - highest).clamp(max=reach)
    indices = torch.arange(inside.shape[1], device=inside.device)
    return (indices - highest[:, None]).abs() <= half_width[:, None]
