"""Probabilities of a whole micrograph from a network that sees overlapping tiles of it, blended."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OVERLAP = 0.25  # of a tile's side
BATCH = 4


@torch.no_grad()
def probabilities(net: nn.Module, image: Tensor, tile: int, stride: int) -> Tensor:
    """float32 `[H, W]`, on the image's device, of an image `[H, W]` of any size; always in float32, without noise.

    A micrograph that fits into one tile is seen at once. A larger one is seen in tiles that overlap by at least a
    quarter. Where they overlap their probabilities are averaged, with weights that fall towards a tile's border, where
    the network sees least. What the micrograph lacks of a multiple of `stride` is reflected.

    Args:
        net: to logits `[B, 1, h, w]`; it is put into evaluation mode.
        tile: largest side of a tile in pixels, a multiple of `stride`.
        stride: what a tile's sides must be multiples of.
    """
    net.eval()
    height, width = image.shape
    sides = (min(tile, _rounded(height, stride)), min(tile, _rounded(width, stride)))
    padded = _reflected(image, max(height, sides[0]), max(width, sides[1]))
    starts = [_starts(whole, side) for whole, side in zip(padded.shape, sides, strict=True)]
    window = _window(sides[0], image.device)[:, None] * _window(sides[1], image.device)[None, :]
    total, weight = torch.zeros_like(padded), torch.zeros_like(padded)
    for corners in _chunks([(y, x) for y in starts[0] for x in starts[1]], BATCH):
        tiles = torch.stack([padded[y : y + sides[0], x : x + sides[1]] for y, x in corners])[:, None]
        tiles = tiles.contiguous(memory_format=torch.channels_last)
        with torch.autocast(image.device.type, enabled=False):
            found = net(tiles).float().sigmoid()[:, 0]
        for (y, x), each in zip(corners, found, strict=True):
            total[y : y + sides[0], x : x + sides[1]] += window * each
            weight[y : y + sides[0], x : x + sides[1]] += window
    return (total / weight)[:height, :width]


def _rounded(length: int, stride: int) -> int:
    """The length, up to a multiple of the stride."""
    return -(-length // stride) * stride


def _reflected(image: Tensor, height: int, width: int) -> Tensor:
    """The image, enlarged below and to the right by its mirror image, as often as it takes."""
    while image.shape != (height, width):
        down, right = (min(new - old, old - 1) for new, old in zip((height, width), image.shape, strict=True))
        if min(image.shape) < 2:
            raise ValueError(f"an image of {tuple(image.shape)} pixels cannot be mirrored")
        image = F.pad(image[None, None], (0, right, 0, down), mode="reflect")[0, 0]
    return image


def _starts(whole: int, side: int) -> list[int]:
    """Where tiles begin, evenly spread from border to border, with at least the wanted overlap."""
    if whole == side:
        return [0]
    count = 1 + -(-(whole - side) // int(side * (1 - OVERLAP)))
    return [round(index * (whole - side) / (count - 1)) for index in range(count)]


def _window(side: int, device: torch.device) -> Tensor:
    """Weights of a tile's pixels along one side: the squared distance from the border, and nowhere 0."""
    places = torch.arange(side, device=device)
    return (torch.minimum(places + 1, side - places).float() / side).square()


def _chunks(items: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
