"""A layer norm and a convolution on small maps: the same as on maps that were enlarged first."""

import math

import pytest
import torch
from torch.nn import functional as F

from tests.support.gaze_networks import (
    SIZES,
    plain_norm,
    random_maps,
    random_norm,
    random_numbers,
)
from trainables.entropy_reg.normed import copy_shares

LEAST = 0.05  # cells that are blurred in any case


# -- the same, written plainly, for one image and one history ----------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("sizes", "grid"), SIZES)
def test_the_norm_of_small_maps_is_the_plain_one_of_enlarged_maps(sizes, grid, bias):
    maps = [random_map * torch.linspace(1, 4, random_map.shape[1])[:, None, None] for random_map in random_maps(sizes)]
    layer = random_norm(sum(item.shape[1] for item in maps), bias=bias)
    enlarged = torch.cat([F.interpolate(map, size=grid) for map in maps], dim=1)
    torch.testing.assert_close(layer.forward_together(maps, grid), plain_norm(layer, enlarged), atol=1e-5, rtol=1e-5)


def test_the_norm_of_maps_as_large_as_asked_is_the_plain_one():
    maps, layer = 3 + random_numbers(2, 5, 6, 7), random_norm(5)
    torch.testing.assert_close(layer(maps), plain_norm(layer, maps), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("size", "grid"), [((3, 4), (12, 16)), ((5, 7), (38, 50)), ((10, 13), (11, 13))])
def test_every_cell_counts_as_often_as_it_is_copied(size, grid):
    numbered = torch.arange(math.prod(size), dtype=torch.float32).view(1, 1, *size)
    counts = torch.bincount(F.interpolate(numbered, size=grid).flatten().long(), minlength=numbered.numel())
    torch.testing.assert_close(copy_shares(size, grid).flatten(), counts / math.prod(grid))
