"""Turns, flips and elastic warps of tiles, on the device, of a whole batch at once.

Image and target go through the very same grid. The target has three values, so its pixels are taken and not mixed,
and what is ignored moves with the image; put back at its old place, it would hide the wrong pixels.

Tiles come as larger windows, so that a turned tile has corners. The draws are few numbers, made on the CPU: an epoch
is then the same on every device.

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
from trainables.unet_selftrain.targets import IGNORED

SPACING = 32.0  # pixels between the nodes of an elastic warp
LARGEST_SHIFT = 6.0  # pixels by which a node moves in x and in y; the pixels between move less, and never fold


@dataclass(frozen=True)
class Draws:
    """What happens to the tiles of a batch.

    Attributes:
        maps: `[b, 2, 2]`, from an offset (x, y) to the tile's middle, to the offset in the window.
        nodes: `[b, 2, n, n]`, shifts in x and y of the elastic warp's nodes in pixels; zeros for none.
    """

    maps: Tensor
    nodes: Tensor

    def rows(self, processes: Processes) -> Draws:
        """The draws of this process's rows."""
        return Draws(processes.rows(self.maps), processes.rows(self.nodes))


def margin(config: Config) -> int:
    """Pixels that a window extends beyond its tile on each side, so that no warp looks farther."""
    if config.augment == 0:
        return 0
    angle = math.radians(min(config.rotation, 45.0))
    turned = config.tile * (math.cos(angle) + math.sin(angle) - 1) / 2
    return math.ceil(turned + LARGEST_SHIFT)


def draw(count: int, config: Config, generator: torch.Generator) -> Draws:
    """Draws for so many tiles: with probability `augment` a turn of up to `rotation` degrees to either side.

    With the same probability, and independently, a flip, left to right or top to bottom, and with half of it an
    elastic warp. The generator is one of the CPU.
    """
    chance = torch.rand(3, count, generator=generator) < torch.tensor([[1.0], [1.0], [0.5]]) * config.augment
    turn, side = torch.rand(2, count, generator=generator)
    size = _node_count(config.tile)
    shifts = (2 * torch.rand(count, 2, size, size, generator=generator) - 1) * LARGEST_SHIFT
    turned, flipped, warped = chance
    angle = torch.where(turned, (2 * turn - 1) * math.radians(config.rotation), 0.0)
    across = torch.where(flipped & (side < 0.5), -1.0, 1.0)
    down = torch.where(flipped & (side >= 0.5), -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    maps = torch.stack([cosine * across, -sine * down, sine * across, cosine * down], dim=1).view(count, 2, 2)
    return Draws(maps, shifts * warped.view(-1, 1, 1, 1))


def warp(images: Tensor, targets: Tensor, draws: Draws, tile: int) -> tuple[Tensor, Tensor]:
    """The tiles' images and targets `[b, 1, tile, tile]`, of windows.

    Args:
        images: float `[b, 1, W, W]`; interpolated, and reflected where a warp looks beyond the window. Bicubic, for
            bilinear halves the variance of the noise, and what is predicted on has all of it.
        targets: float `[b, 1, W, W]`; the nearest pixel's value, and −1 beyond the window.
        draws: as many.
        tile: the side that remains, around the window's middle.
    """
    grid = _grid(draws, tile, images.shape[-1], images.device)
    warped = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=True)
    # Beyond the window grid_sample puts zeros, so zero has to mean ignored; whole numbers survive this exactly.
    lifted = F.grid_sample(targets - IGNORED, grid, mode="nearest", padding_mode="zeros", align_corners=True)
    return warped, lifted + IGNORED


def _grid(draws: Draws, tile: int, window: int, device: torch.device) -> Tensor:
    """Where each pixel of the tile is in the window, `[b, tile, tile, 2]` in (x, y), −1 to 1 between its corners."""
    offset = torch.arange(tile, dtype=torch.float32, device=device) - (tile - 1) / 2
    maps = draws.maps.to(device)[:, None, None]
    # By elements and not as a matrix product, which a GPU may round to ten bits.
    turned = maps[..., 0] * offset[:, None] + maps[..., 1] * offset[:, None, None]
    basis = _spline(tile).to(device)
    shifts = torch.einsum("hm,bimn,wn->bhwi", basis, draws.nodes.to(device), basis)
    return (turned + shifts) * (2 / (window - 1))


def _spline(tile: int) -> Tensor:
    """What each node contributes to each pixel, `[tile, n]`: cubic B-splines, none negative, with a sum of 1."""
    position = torch.arange(tile, dtype=torch.float32) / SPACING
    node = torch.arange(_node_count(tile), dtype=torch.float32) - 1
    distance = (position[:, None] - node).abs()
    inner = 2 / 3 - distance**2 + distance**3 / 2
    outer = (2 - distance).clamp(min=0) ** 3 / 6
    return torch.where(distance < 1, inner, outer)


def _node_count(tile: int) -> int:
    return math.floor((tile - 1) / SPACING) + 4
