"""Prediction of a whole micrograph by a network that sees overlapping tiles of it, blended."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OVERLAP = 0.25  # of a tile's side
BATCH_SIZE = 4


@torch.no_grad()
def predict_image(net: nn.Module, image: Tensor, tile: int, stride: int) -> Tensor:
    """Predict the probabilities of an image `[H, W]` of any size: float32 `[H, W]` on the image's device.

    All of it is computed in float32, and nothing is drawn. A micrograph that fits into one tile is seen at once. A
    larger one is seen in tiles that overlap by at least a quarter. Where they overlap their probabilities are averaged,
    with weights that fall towards a tile's border, where the network sees least. Up to the next multiple of `stride`
    the micrograph is reflected.

    Args:
        net: gives logits `[B, 1, h, w]`; it is put into evaluation mode.
        image: z-scores.
        tile: largest side of a tile in pixels, a multiple of `stride`.
        stride: what a tile's sides must be multiples of.
    """
    net.eval()
    height, width = image.shape
    sides = (min(tile, _round_up(height, stride)), min(tile, _round_up(width, stride)))
    canvas = _reflect(image, max(height, sides[0]), max(width, sides[1]))
    starts = [_starts(length, side) for length, side in zip(canvas.shape, sides, strict=True)]
    window = _window(sides[0], image.device)[:, None] * _window(sides[1], image.device)[None, :]
    total, weight = torch.zeros_like(canvas), torch.zeros_like(canvas)
    for corners in _chunks([(y, x) for y in starts[0] for x in starts[1]], BATCH_SIZE):
        tiles = torch.stack([canvas[y : y + sides[0], x : x + sides[1]] for y, x in corners])[:, None]
        tiles = tiles.contiguous(memory_format=torch.channels_last)
        with torch.autocast(image.device.type, enabled=False):
            probabilities = net(tiles).float().sigmoid()[:, 0]
        for (y, x), part in zip(corners, probabilities, strict=True):
            total[y : y + sides[0], x : x + sides[1]] += window * part
            weight[y : y + sides[0], x : x + sides[1]] += window
    return (total / weight)[:height, :width]


def _round_up(length: int, stride: int) -> int:
    """Round a length up to a multiple of the stride."""
    return -(-length // stride) * stride


def _reflect(image: Tensor, height: int, width: int) -> Tensor:
    """Enlarge the image below and to the right by its mirror image, as often as it takes."""
    while image.shape != (height, width):
        down, right = (min(new - old, old - 1) for new, old in zip((height, width), image.shape, strict=True))
        if min(image.shape) < 2:
            raise ValueError(f"an image of {tuple(image.shape)} pixels cannot be mirrored")
        image = F.pad(image[None, None], (0, right, 0, down), mode="reflect")[0, 0]
    return image


def _starts(length: int, side: int) -> list[int]:
    """List the first pixels of tiles, evenly spread from border to border, that overlap by `OVERLAP` at least."""
    if length == side:
        return [0]
    count = 1 + -(-(length - side) // int(side * (1 - OVERLAP)))
    return [round(index * (length - side) / (count - 1)) for index in range(count)]


def _window(side: int, device: torch.device) -> Tensor:
    """Weigh a tile's pixels along one side by their squared distance from its border, which is nowhere 0."""
    positions = torch.arange(side, device=device)
    return (torch.minimum(positions + 1, side - positions).float() / side).square()


def _chunks(items: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
