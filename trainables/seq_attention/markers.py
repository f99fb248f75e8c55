"""The network's input: the image, the markers of all marked objects and of the last one, and each pixel's position."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.seq_attention.config import Config

CHANNELS = 7
"""Red, green, blue, markers, the last marker, x, y."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which pretrained weights expect
COLOUR = (1.0, 0.0, 1.0)  # of the markers over the image: magenta
_SOFT = 0.5  # pixels over which the edge of a disc or ring falls to 0


def network_input(pixels: Tensor, marks: Tensor, count: Tensor, config: Config) -> Tensor:
    """Compose the network's input, float32 `[b, 7, S, S]`.

    Args:
        pixels: uint8 `[b, S, S, 3]`.
        marks: `[b, M, 2]`, marked points, normalised, in their order; rows from `count` on are ignored.
        count: int `[b]`, how many are marked.
        config: shape, size and opacity of markers, and whether they have channels.
    """
    side = pixels.shape[1]
    markers, last_marker = (_marker(distance, config) for distance in _distances(marks, count, side))
    mean, deviation, colour = (
        torch.tensor(rgb, device=pixels.device).view(1, 3, 1, 1) for rgb in (MEAN, DEVIATION, COLOUR)
    )
    image = (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / deviation
    image = image.lerp((colour - mean) / deviation, config.marker_alpha * markers)
    if not config.marker_channel:
        markers, last_marker = torch.zeros_like(markers), torch.zeros_like(markers)
    positions = position_channels(side, pixels.device).expand(len(pixels), -1, -1, -1)
    return torch.cat([image, markers, last_marker, positions], 1)


def position_channels(side: int, device: torch.device) -> Tensor:
    """Return x and y of every pixel's centre, normalised: `[1, 2, S, S]`."""
    line = (torch.arange(side, device=device) + 0.5) * 2 / side - 1
    return torch.stack([line.expand(side, side), line[:, None].expand(side, side)])[None]


def _distances(marks: Tensor, count: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Compute the distance in pixels of every pixel to the nearest marked point, and to the last one, `[b, 1, S, S]`.

    Infinite where nothing is marked. One point of each image at a time: all at once would need `M` times the memory.
    """
    centres = torch.arange(side, device=marks.device) + 0.5
    columns, rows = ((((marks + 1) * side / 2)[..., None] - centres) ** 2).unbind(2)  # [b, M, S]
    nearest = torch.full((len(marks), side, side), torch.inf, device=marks.device)
    last = nearest
    for index in range(int(count.max()) if len(count) else 0):
        squares = columns[:, index, None, :] + rows[:, index, :, None]
        in_count = (index < count)[:, None, None]
        nearest = torch.where(in_count, torch.minimum(nearest, squares), nearest)
        last = torch.where(in_count, squares, last)
    return nearest.sqrt()[:, None], last.sqrt()[:, None]


def _marker(distance: Tensor, config: Config) -> Tensor:
    """Draw markers, 0 to 1, by the distance in pixels from the marked points."""
    radius = config.marker_radius * config.image_size
    if config.marker == "gaussian":
        return (-0.5 * (distance / radius) ** 2).exp()
    outside = distance - radius if config.marker == "disc" else (distance - radius).abs() - radius / 4
    return (0.5 - outside / (2 * _SOFT)).clamp(0, 1)
