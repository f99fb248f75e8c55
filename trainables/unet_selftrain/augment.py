"""Turns, flips and elastic warps of tiles, on the device, of a whole batch at once.

Image and target go through the same grid. The target has three kinds of values, so the nearest pixel's value is taken
and none are mixed; and ignored pixels move with the image: left where they were, they would hide the wrong pixels.

Tiles come as larger windows, so that the corners of a turned tile have pixels. The draws are few numbers, made on the
CPU: an epoch is then the same on every device.

Source: elastic warps of U-Net, Ronneberger et al. 2015 (sec. 3.1); the cubic B-spline on a coarse grid, Rueckert et
al. 1999 (eq. 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.processes import Processes
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.targets import IGNORE

SPACING = 32.0  # pixels between the nodes of an elastic warp
MAX_SHIFT = 6.0  # pixels by which a node moves in x and in y; the pixels between move less, and never fold


@dataclass(frozen=True)
class Draws:
    """Random numbers that decide what happens to the tiles of a batch.

    Attributes:
        maps: `[b, 2, 2]`, from an offset (x, y) from the tile's centre to the offset in the window.
        nodes: `[b, 2, n, n]`, shifts in x and y of the elastic warp's nodes in pixels; zeros for none.
    """

    maps: Tensor
    nodes: Tensor

    def rows(self, processes: Processes) -> Draws:
        """Return the draws of this process's rows."""
        return Draws(processes.rows(self.maps), processes.rows(self.nodes))


def margin(config: Config) -> int:
    """Return the pixels by which a window exceeds its tile on each side, so that no warp looks farther."""
    if config.augment == 0:
        return 0
    angle = math.radians(min(config.rotation, 45.0))
    overhang = config.tile * (math.cos(angle) + math.sin(angle) - 1) / 2  # of a turned square's corners
    return math.ceil(overhang + MAX_SHIFT)


def draw(count: int, config: Config, generator: torch.Generator) -> Draws:
    """Draw for so many tiles: with probability `augment` a turn of up to `rotation` degrees to either side.

    With the same probability, and independently, a flip, left to right or top to bottom, and with half of it an
    elastic warp. The generator is one of the CPU.
    """
    chance = torch.rand(3, count, generator=generator) < torch.tensor([[1.0], [1.0], [0.5]]) * config.augment
    turn, side = torch.rand(2, count, generator=generator)
    size = _node_count(config.tile)
    shifts = (2 * torch.rand(count, 2, size, size, generator=generator) - 1) * MAX_SHIFT
    has_turn, has_flip, has_warp = chance
    angle = torch.where(has_turn, (2 * turn - 1) * math.radians(config.rotation), 0.0)
    flip_x = torch.where(has_flip & (side < 0.5), -1.0, 1.0)
    flip_y = torch.where(has_flip & (side >= 0.5), -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    maps = torch.stack([cosine * flip_x, -sine * flip_y, sine * flip_x, cosine * flip_y], dim=1).view(count, 2, 2)
    return Draws(maps, shifts * has_warp.view(-1, 1, 1, 1))


def warp(images: Tensor, targets: Tensor, draws: Draws, tile: int) -> tuple[Tensor, Tensor]:
    """Warp windows into the images and targets `[b, 1, tile, tile]` of their tiles.

    Args:
        images: float `[b, 1, W, W]`; interpolated, and reflected where a warp looks beyond the window. Bicubic, for
            bilinear halves the variance of the noise, and prediction sees all of it.
        targets: float `[b, 1, W, W]`; the nearest pixel's value, and −1 beyond the window.
        draws: one for each window.
        tile: the side that remains, around the window's centre.
    """
    grid = _grid(draws, tile, images.shape[-1], images.device)
    tiles = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=True)
    # Beyond the window grid_sample puts zeros, so zero has to mean ignored; whole numbers survive this exactly.
    labels = F.grid_sample(targets - IGNORE, grid, mode="nearest", padding_mode="zeros", align_corners=True)
    return tiles, labels + IGNORE


def _grid(draws: Draws, tile: int, window: int, device: torch.device) -> Tensor:
    """Locate the tile's pixels in the window: `[b, tile, tile, 2]` in (x, y), −1 to 1 between its corners."""
    offset = torch.arange(tile, dtype=torch.float32, device=device) - (tile - 1) / 2
    maps = draws.maps.to(device)[:, None, None]
    # By elements and not as a matrix product, for which a GPU may round factors to ten bits.
    positions = maps[..., 0] * offset[:, None] + maps[..., 1] * offset[:, None, None]
    basis = _spline(tile).to(device)
    shifts = torch.einsum("hm,bimn,wn->bhwi", basis, draws.nodes.to(device), basis)
    return (positions + shifts) * (2 / (window - 1))


def _spline(tile: int) -> Tensor:
    """Weigh the nodes for each pixel, `[tile, n]`: cubic B-splines, none negative, with a sum of 1."""
    position = torch.arange(tile, dtype=torch.float32) / SPACING
    node = torch.arange(_node_count(tile), dtype=torch.float32) - 1
    distance = (position[:, None] - node).abs()
    inner = 2 / 3 - distance**2 + distance**3 / 2
    outer = (2 - distance).clamp(min=0) ** 3 / 6
    return torch.where(distance < 1, inner, outer)


def _node_count(tile: int) -> int:
    return math.floor((tile - 1) / SPACING) + 4
