"""A map of logits over the square as a distribution of where the next object is, in float32 also under autocast.

The square is −1 to 1 on both axes, as everywhere in the network. Cells outside the image, in its padding, have
probability 0. Where `inside` is None, all cells are inside.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cells(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The cells' centres, x `[w]` and y `[h]`."""
    x, y = ((torch.arange(count, device=device) + 0.5) * 2 / count - 1 for count in (width, height))
    return x, y


def inside(extent: Tensor, height: int, width: int) -> Tensor:
    """The cells whose centre is in the image, bool `[b, h, w]`; those of the first row and column, however thin it is.

    Args:
        extent: `[b, 2]`, share of the square's width and height that the image fills, from the upper left corner.
        height: of the map, in cells.
        width: of the map.
    """
    across, down = (
        torch.arange(count, device=extent.device) + 0.5 < (share * count).clamp(min=1)[:, None]
        for share, count in zip(extent.unbind(1), (width, height), strict=True)
    )
    return down[:, :, None] & across[:, None, :]


def log_probabilities(logits: Tensor, inside: Tensor | None) -> Tensor:
    """`[b, h, w]` of logits `[b, h, w]` and bool `[b, h, w]`: their exponentials sum to 1; −inf outside."""
    logits = logits.float()
    if inside is not None:
        logits = logits.masked_fill(~inside, -torch.inf)
    return logits.flatten(1).log_softmax(dim=1).view_as(logits)


def mean(logits: Tensor, inside: Tensor | None) -> Tensor:
    """The distribution's mean (soft argmax), `[b, 2]`. Of two equal peaks it is the middle, where neither is.

    Source: Luvizon et al. 2019, Human pose regression by combining indirect part detection and contextual information.
    """
    return _mean(log_probabilities(logits, inside).exp())


def peak(logits: Tensor, inside: Tensor | None, reach: int = 3) -> Tensor:
    """The mean of the distribution around its highest cell, `[b, 2]`: of two peaks it is one.

    Of a map as `cross_entropy` teaches it, within 0.1 cells; where the highest cell is the last but one before the
    border within 0.25, where it is the last one within 0.5.

    Args:
        logits: `[b, h, w]`.
        inside: bool `[b, h, w]`, what `inside` gives, or None.
        reach: cells to each side that are counted; near a border fewer, and on both sides alike, for what lies on one
            side alone would draw the mean to it.
    """
    found = log_probabilities(logits, inside)
    width = found.shape[2]
    there = torch.ones_like(found, dtype=torch.bool) if inside is None else inside
    highest = found.flatten(1).argmax(dim=1)
    across = _window(highest % width, there.any(dim=1), reach)
    down = _window(highest.div(width, rounding_mode="floor"), there.any(dim=2), reach)
    return _mean(log_probabilities(found, there & down[:, :, None] & across[:, None, :]).exp())


def cross_entropy(logits: Tensor, inside: Tensor | None, wanted: Tensor) -> Tensor:
    """Against a Gaussian with a deviation of one cell around each wanted point, in nats, `[b]`.

    Of the Gaussian only the cells inside count, and there they sum to 1. The lowest value is its entropy, not 0.

    Args:
        logits: `[b, h, w]`.
        inside: bool `[b, h, w]`, or None.
        wanted: `[b, 2]`, normalised.
    """
    found = log_probabilities(logits, inside)
    height, width = found.shape[1:]
    x, y = cells(height, width, found.device)
    across, down = wanted.detach().float().unbind(1)
    away_x = ((x - across[:, None]) * width / 2) ** 2  # in cells
    away_y = ((y - down[:, None]) * height / 2) ** 2
    target = log_probabilities(-(away_y[:, :, None] + away_x[:, None, :]) / 2, inside).exp()
    if inside is not None:
        found = found.masked_fill(~inside, 0.0)  # 0 · −inf is no number
    return -(target * found).sum(dim=(1, 2))


def _mean(probabilities: Tensor) -> Tensor:
    _, height, width = probabilities.shape
    x, y = cells(height, width, probabilities.device)
    return torch.stack([(probabilities.sum(1) * x).sum(1), (probabilities.sum(2) * y).sum(1)], dim=1)


def _window(highest: Tensor, there: Tensor, reach: int) -> Tensor:
    """The places `[b, c]` that count on one axis, of the highest one's `[b]` and which of them are in the image."""
    last = there.sum(dim=1) - 1
    sides = torch.minimum(highest, last - highest).clamp(max=reach)
    places = torch.arange(there.shape[1], device=there.device)
    return (places - highest[:, None]).abs() <= sides[:, None]
