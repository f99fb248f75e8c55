"""The warps against SciPy, and the target that has to stay where the image is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.interpolate import BSpline
from torch import Tensor

from trainables.processes import Processes
from trainables.unet_selftrain import augment
from trainables.unet_selftrain.augment import Draws
from trainables.unet_selftrain.config import Config

TILE = 64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def config(**changes) -> Config:
    return Config(**{"tile": TILE, "augment": 1.0, "rotation": 180.0, **changes})


def side() -> int:
    return TILE + 2 * augment.margin(config())


def still(count: int) -> Draws:
    nodes = augment.draw(count, config(), generator()).nodes
    return Draws(torch.eye(2).expand(count, 2, 2), torch.zeros_like(nodes))


def turned(degrees: float) -> Draws:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return Draws(torch.tensor([[[cosine, -sine], [sine, cosine]]]), still(1).nodes)


def noise(count: int = 1) -> Tensor:
    return torch.randn(count, 1, side(), side(), generator=generator(5))


def labels(count: int) -> Tensor:
    """Make windows of large blobs, in percent: −1, 0 and 100."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(count, side(), side())), (0, 6, 6))
    return torch.from_numpy(np.digitize(smooth, np.quantile(smooth, [0.4, 0.7]))).float()[:, None] * 50.5 - 1


def crop(windows: Tensor) -> Tensor:
    around = augment.margin(config())
    return windows[..., around:-around, around:-around]


def misplaced(images: Tensor, targets: Tensor) -> float:
    """Count the share of pixels where image and target, its copy, differ; without those near an edge."""
    highest = torch.nn.functional.max_pool2d(targets, 5, stride=1, padding=2)
    lowest = -torch.nn.functional.max_pool2d(-targets, 5, stride=1, padding=2)
    flat = (highest == lowest)[..., 2:-2, 2:-2]
    assert flat.float().mean() > 0.4
    return ((images - targets)[..., 2:-2, 2:-2].abs()[flat] > 1.0).float().mean().item()


def test_the_target_stays_where_the_image_is():
    windows = labels(20)
    images, targets = augment.warp(windows, windows, augment.draw(20, config(), generator()), TILE)
    assert set(targets.unique().tolist()) == {-1.0, 49.5, 100.0}
    assert misplaced(images, targets) < 0.001  # single pixels that the nearest neighbour steps over


def test_ignored_pixels_put_back_at_their_old_place_are_misplaced():
    """The published code's defect."""
    windows = labels(20)
    images, targets = augment.warp(windows, windows, augment.draw(20, config(), generator()), TILE)
    defective = torch.where(crop(windows) == -1, -1.0, targets.clamp(min=0))
    assert misplaced(images, defective) > 0.1


@pytest.mark.parametrize("values", [{-1.0, 0.0, 100.0}, {-1.0, 0.0, 37.0, 99.0, 100.0}])
def test_targets_keep_their_values(values):
    choice = torch.randint(len(values), (20, 1, side(), side()), generator=generator())
    windows = torch.tensor(sorted(values))[choice]
    _, targets = augment.warp(windows, windows, augment.draw(20, config(), generator()), TILE)
    assert set(targets.unique().tolist()) == values


def cubic(image, y, x):
    """Cubic convolution (Keys 1981) with a = −0.75, mirrored at the borders, written from the paper."""

    def weight(distance):
        t = np.abs(distance)
        return np.where(t <= 1, (1.25 * t - 2.25) * t**2 + 1, np.where(t < 2, -0.75 * (((t - 5) * t + 8) * t - 4), 0))

    total = np.zeros_like(y)
    for down in range(-1, 3):
        for across in range(-1, 3):
            row, column = np.floor(y) + down, np.floor(x) + across
            values = ndimage.map_coordinates(image, [row, column], order=0, mode="mirror")
            total += values * weight(y - row) * weight(x - column)
    return total


def test_turned_noise_keeps_most_of_its_variance():
    """Interpolated linearly it would keep less than half, and what is predicted on is not turned."""
    windows = noise(8)
    eighths = torch.tensor([[1.0, -1.0], [1.0, 1.0]]) / 2**0.5
    draws = Draws(eighths.expand(8, 2, 2), still(8).nodes)
    images, _ = augment.warp(windows, windows, draws, TILE)
    assert images.var() / windows.var() > 0.6


def test_a_warp_is_what_numpy_and_scipy_make_of_the_same_positions():
    draws = augment.draw(4, config(), generator(3))
    assert draws.nodes.flatten(1).any(dim=1).any()  # one at least is warped
    windows, ignored = noise(4), (noise(4) > 0).float() * 101 - 1
    images, targets = augment.warp(windows, ignored, draws, TILE)
    bump = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    size = draws.nodes.shape[-1]
    basis = np.nan_to_num(bump(np.arange(TILE)[:, None] / 32 - (np.arange(size) - 1)))
    offset = np.arange(TILE) - (TILE - 1) / 2
    plane = np.stack(np.meshgrid(offset, offset))  # x and y
    for row in range(4):
        shift = basis @ draws.nodes[row].double().numpy() @ basis.T
        x, y = np.tensordot(draws.maps[row].double().numpy(), plane, 1) + shift + (side() - 1) / 2
        expected = cubic(windows[row, 0].double().numpy(), y, x)
        np.testing.assert_allclose(images[row, 0], expected, atol=1e-3)
        nearest = ndimage.map_coordinates(ignored[row, 0].double().numpy(), [y, x], order=0, mode="mirror")
        assert (targets[row, 0].numpy() == nearest).mean() > 0.999  # but for ties


def test_a_still_warp_is_the_middle_of_the_window():
    windows = noise()
    images, targets = augment.warp(windows, windows, still(1), TILE)
    torch.testing.assert_close(images, crop(windows), atol=1e-3, rtol=0)
    torch.testing.assert_close(targets, crop(windows))


@pytest.mark.parametrize(("degrees", "quarters"), [(90, 1), (180, 2), (-90, 3)])
def test_quarter_turns_are_exact(degrees, quarters):
    windows = noise()
    images, targets = augment.warp(windows, windows, turned(degrees), TILE)
    expected = torch.rot90(crop(windows), quarters, (2, 3))
    torch.testing.assert_close(images, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(targets, expected)


def test_flips_are_exact():
    windows = noise(40)
    draws = augment.draw(40, config(rotation=0.0), generator())
    images, _ = augment.warp(windows, windows, Draws(draws.maps, still(40).nodes), TILE)
    directions = set()
    for row in range(40):
        axis = int(draws.maps[row, 1, 1] < 0)  # upside down
        directions.add(axis)
        expected = crop(windows[row : row + 1]).flip(2 if axis else 3)
        torch.testing.assert_close(images[row : row + 1], expected, atol=1e-3, rtol=0)
    assert directions == {0, 1}


def test_the_margin_holds_whatever_a_warp_looks_at():
    windows = torch.zeros(1, 1, side(), side())
    for corner in (-1.0, 1.0):
        worst = Draws(turned(45).maps, torch.full_like(still(1).nodes, corner * augment.MAX_SHIFT))
        assert not augment.warp(windows, windows, worst, TILE)[1].any()
    many = augment.draw(300, config(), generator())
    assert not augment.warp(windows.expand(300, -1, -1, -1), windows.expand(300, -1, -1, -1), many, TILE)[1].any()


def test_beyond_the_window_everything_is_ignored():
    windows = torch.zeros(1, 1, TILE, TILE)
    images, targets = augment.warp(windows, windows, turned(45), TILE)
    assert (targets[..., 0, 0], targets[..., TILE // 2, TILE // 2]) == (-1, 0)
    assert images.isfinite().all()


def test_turns_flips_and_warps_happen_as_often_as_they_should():
    draws = augment.draw(4000, config(augment=0.4, rotation=15.0), generator())
    flipped = torch.linalg.det(draws.maps) < 0
    turned = draws.maps[:, 0, 1] != 0
    warped = draws.nodes.flatten(1).any(dim=1)
    assert flipped.float().mean() == pytest.approx(0.4, abs=0.03)
    assert turned.float().mean() == pytest.approx(0.4, abs=0.03)
    assert warped.float().mean() == pytest.approx(0.2, abs=0.03)
    assert (flipped & turned).float().mean() == pytest.approx(0.16, abs=0.03)
    angle = torch.rad2deg(draws.maps[:, 0, 1].abs().asin())
    assert angle.max() == pytest.approx(15, abs=0.1)
    assert angle.max() <= 15.0001


def test_full_turns_point_everywhere():
    maps = augment.draw(10000, config(augment=0.7), generator()).maps
    maps = maps[(torch.linalg.det(maps) > 0) & (maps[:, 1, 0] != 0)]  # turned and not flipped
    shares = torch.histc(torch.atan2(maps[:, 1, 0], maps[:, 0, 0]), 8, -math.pi, math.pi) / len(maps)
    assert (shares - 1 / 8).abs().max() < 0.025


def test_discs_keep_their_area_on_average():
    distance = (torch.arange(side()) - (side() - 1) / 2) ** 2
    disc = ((distance[:, None] + distance) <= 15**2).float() * 100
    windows = disc.expand(200, 1, -1, -1)
    _, targets = augment.warp(windows, windows, augment.draw(200, config(), generator()), TILE)
    areas = (targets == 100).sum(dim=(1, 2, 3)).float()
    assert areas.mean() / (disc == 100).sum() == pytest.approx(1, abs=0.02)


def test_an_elastic_warp_is_smooth_and_does_not_fold():
    draws = augment.draw(50, config(rotation=0.0), generator())
    worst = Draws(torch.eye(2).expand(50, 2, 2), draws.nodes.sign() * augment.MAX_SHIFT)
    ramp = torch.arange(float(side())).expand(50, 1, side(), side())
    for windows, axis in ((ramp, 3), (ramp.transpose(2, 3), 2)):
        images, _ = augment.warp(windows, windows, worst, TILE)
        steps = images.diff(dim=axis)
        assert steps.min() > 0.5
        assert (images - crop(windows)).abs().max() <= augment.MAX_SHIFT


@pytest.mark.parametrize("tile", [16, 32, 33, 128])
def test_the_nodes_share_every_pixel_out(tile):
    basis = augment._spline(tile)
    torch.testing.assert_close(basis.sum(dim=1), torch.ones(tile))
    assert basis.min() >= 0


def test_processes_take_their_rows_of_the_draws():
    whole = augment.draw(6, config(), generator())
    part = whole.rows(Processes(1, 2))
    assert torch.equal(part.maps, whole.maps[1::2])
    assert torch.equal(part.nodes, whole.nodes[1::2])


def test_without_augmentation_there_is_no_margin():
    assert augment.margin(config(augment=0.0)) == 0
    assert augment.margin(config(rotation=15.0)) < augment.margin(config(rotation=45.0)) == augment.margin(config())
