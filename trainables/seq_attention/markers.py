"""What a network sees: the image, which objects are marked, which was marked last, and where each pixel is."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.seq_attention.config import Config

CHANNELS = 7
"""Red, green, blue, markers, the last marker, x, y."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which pretrained weights expect
COLOUR = (1.0, 0.0, 1.0)  # magenta, of the markers over the image
_SOFT = 0.5  # pixels over which a disc's or ring's edge falls to 0


def seen(pixels: Tensor, marked: Tensor, count: Tensor, config: Config) -> Tensor:
    """The network's input, float32 `[b, 7, S, S]`.

    Args:
        pixels: uint8 `[b, S, S, 3]`.
        marked: `[b, M, 2]`, marked points, normalised, in their order; rows from `count` on are ignored.
        count: int `[b]`, how many are marked.
        config: what markers look like, and where they are drawn.
    """
    side = pixels.shape[1]
    all_marked, last = _distances(marked, count, side)
    markers, last_marker = (_marker(each, config) for each in (all_marked, last))
    mean, deviation, colour = (
        torch.tensor(each, device=pixels.device).view(1, 3, 1, 1) for each in (MEAN, DEVIATION, COLOUR)
    )
    image = (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / deviation
    image = image.lerp((colour - mean) / deviation, config.marker_alpha * markers)
    if not config.marker_channel:
        markers, last_marker = torch.zeros_like(markers), torch.zeros_like(markers)
    return torch.cat([image, markers, last_marker, positions(side, pixels.device).expand(len(pixels), -1, -1, -1)], 1)


def positions(side: int, device: torch.device) -> Tensor:
    """x and y of every pixel's centre, normalised: `[1, 2, S, S]`."""
    line = (torch.arange(side, device=device) + 0.5) * 2 / side - 1
    return torch.stack([line.expand(side, side), line[:, None].expand(side, side)])[None]


def _distances(marked: Tensor, count: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Distance in pixels of every pixel to the nearest marked point, and to the last one, `[b, 1, S, S]` each.

    Infinite where nothing is marked. One point of each image at a time: all at once would need `M` times the memory.
    """
    centres = torch.arange(side, device=marked.device) + 0.5
    across, down = ((((marked + 1) * side / 2)[..., None] - centres) ** 2).unbind(2)  # [b, M, S]
    nearest = torch.full((len(marked), side, side), torch.inf, device=marked.device)
    last = nearest
    for index in range(int(count.max()) if len(count) else 0):
        squared = across[:, index, None, :] + down[:, index, :, None]
        there = (index < count)[:, None, None]
        nearest = torch.where(there, torch.minimum(nearest, squared), nearest)
        last = torch.where(there, squared, last)
    return nearest.sqrt()[:, None], last.sqrt()[:, None]


def _marker(distance: Tensor, config: Config) -> Tensor:
    """0 to 1 by the distance in pixels."""
    radius = config.marker_radius * config.image_size
    if config.marker == "gaussian":
        return (-0.5 * (distance / radius) ** 2).exp()
    away = distance - radius if config.marker == "disc" else (distance - radius).abs() - radius / 4
    return (0.5 - away / (2 * _SOFT)).clamp(0, 1)
