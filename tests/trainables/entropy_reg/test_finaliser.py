"""The finaliser of the network: its blur, and the weight of the centre bias."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from tests.support.gaze_networks import (
    random_numbers,
)
from tests.support.tiny_gaze import config
from trainables.entropy_reg.model import Finaliser

LEAST = 0.05  # cells that are blurred in any case


# -- the same, written plainly, for one image and one history ----------------------------------------------------------


def finaliser(sigma: float = 0.05, **values) -> Finaliser:
    """Build a finaliser with a deviation in shares of the longer side."""
    return Finaliser(config(sigma=sigma, **values))


@torch.no_grad()
@pytest.mark.parametrize("shape", [(12, 16), (16, 12), (40, 30)])
@pytest.mark.parametrize("cells", [0.3, 0.5, 1.0, 2.7, 4.0])
def test_the_blur_is_scipy_s_with_a_deviation_that_is_a_share_of_the_longer_side(shape, cells):
    maps = 4 * random_numbers(2, 1, *shape)
    result = finaliser(cells / max(shape))(maps, torch.zeros(2, *shape)).double().numpy()
    for one, got in zip(maps[:, 0].double().numpy(), result, strict=True):
        sigma = math.hypot(cells, LEAST)
        expected = ndimage.gaussian_filter(one, sigma, mode="nearest", radius=math.ceil(3 * sigma))
        np.testing.assert_allclose(got - got.mean(), expected - expected.mean(), atol=2e-5)


@torch.no_grad()
def test_the_kernel_grows_with_its_deviation():
    point = torch.zeros(1, 1, 41, 41)
    point[0, 0, 20, 20] = 100
    part, reached = finaliser(), []
    for cells in (0.45, 0.9, 1.9, 3.9):
        part.log_sigma.fill_(math.log(cells / 41))
        result = part(point, torch.zeros(1, 41, 41))[0]
        reached.append(int((result[20] > result[0, 0]).sum()))
    assert reached == [5, 7, 13, 25]


@torch.no_grad()
def test_a_deviation_of_next_to_nothing_blurs_nothing():
    maps, part = random_numbers(1, 1, 12, 16), finaliser()
    part.log_sigma.fill_(-200.0)  # whose exponential is 0
    result = part(maps, torch.zeros(1, 12, 16))
    torch.testing.assert_close(result, maps[:, 0].flatten(1).log_softmax(dim=1).view(1, 12, 16))


def test_the_deviation_s_gradient_is_the_slope():
    maps, none, part = 4 * random_numbers(1, 1, 12, 16), torch.zeros(1, 12, 16), finaliser(0.1)
    part(maps, none)[0, 5, 6].backward()
    ends, step = [], 1e-2
    for side in (-1, 1):
        moved = finaliser(0.1)
        moved.log_sigma.data += side * step
        ends.append(moved(maps, none)[0, 5, 6].item())
    slope = (ends[1] - ends[0]) / (2 * step)
    assert abs(slope) > 0.05
    assert part.log_sigma.grad.item() == pytest.approx(slope, rel=0.02)


@torch.no_grad()
@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 1.7])
def test_the_centre_bias_counts_by_its_weight(weight):
    bias, part = random_numbers(2, 12, 16), finaliser(centre_bias_weight=weight)
    result = part(torch.zeros(2, 1, 12, 16), bias)
    torch.testing.assert_close(result, (weight * bias).flatten(1).log_softmax(dim=1).view_as(bias))


@torch.no_grad()
def test_a_slope_of_half_the_resolution_stays_a_slope():
    ramp = torch.arange(16, dtype=torch.float32).expand(1, 1, 12, 16)
    result = finaliser(0.001)(ramp, torch.zeros(1, 24, 32))[0, 12, 2:-2]
    torch.testing.assert_close(result.diff(), torch.full((27,), 0.5), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("values", "learned"),
    [
        ({}, (True, True)),
        ({"learn_sigma": False}, (False, True)),
        ({"learn_centre_bias_weight": False}, (True, False)),
        ({"centre_bias": "uniform"}, (True, False)),
    ],
)
def test_deviation_and_weight_are_trained_where_asked_and_where_they_do_something(values, learned):
    part = finaliser(**values)
    assert (part.log_sigma.requires_grad, part.centre_bias_weight.requires_grad) == learned
    assert (part.sigma.item(), part.centre_bias_weight.item()) == pytest.approx((0.05, 1.0))
