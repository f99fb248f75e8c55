"""The two terms: bits of the pixels whatever the cells are, gradients that reach the readout alone, processes."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from tests.support.tiny_gaze import config
from trainables.entropy_reg.backbones import Backbone
from trainables.entropy_reg.losses import entropy, negative_log_likelihood, weighted_mean
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.scoring import cell_indices
from trainables.processes import Processes

SHAPE = (48, 64)  # pixels; 12 × 16 cells


def densities(*leading: int, spread: float = 2.0) -> Tensor:
    result = spread * torch.randn(*leading, 12, 16, generator=torch.Generator().manual_seed(0))
    return result.flatten(-2).log_softmax(dim=-1).view_as(result)


def of_pixels(log_density: Tensor) -> np.ndarray:
    """Share a cell's mass among its 16 pixels, float64 `[48, 64]`."""
    return np.kron(log_density.double().exp().numpy(), np.full((4, 4), 1 / 16))


def fixations(images: int, number: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, (64, 48), (images, number, 2))


def cells(points: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack([cell_indices(point, (12, 16)) for point in points]))


def even(images: int, number: int) -> Tensor:
    return torch.full((images, number), 1 / number)


def log_likelihood(density: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Compute the bits of each fixation, relative to uniform, of a density of pixels."""
    at = density[points[:, 1].astype(int), points[:, 0].astype(int)]
    return np.log2(at * density.size)


def test_it_is_log2_of_the_pixels_less_the_log_likelihood_relative_to_uniform():
    result, points = densities(3, 1), fixations(3, 7)
    bits = negative_log_likelihood(result, cells(points), even(3, 7))
    expected = [math.log2(48 * 64) - log_likelihood(of_pixels(result[i, 0]), points[i]).mean() for i in range(3)]
    np.testing.assert_allclose(bits.numpy(), expected, atol=1e-5)


def test_a_density_for_every_fixation_is_asked_about_its_own():
    result, points = densities(3, 7), fixations(3, 7)
    bits = negative_log_likelihood(result, cells(points), even(3, 7))
    for image in range(3):
        each = [log_likelihood(of_pixels(result[image, i]), points[image, i : i + 1]) for i in range(7)]
        assert bits[image].item() == pytest.approx(math.log2(48 * 64) - np.mean(each), abs=1e-5)


def test_a_fixation_counts_by_its_weight():
    result, points = densities(1, 1), fixations(1, 3)
    bits = negative_log_likelihood(result, cells(points), torch.tensor([[0.7, 0.3, 0.0]]))
    each = math.log2(48 * 64) - log_likelihood(of_pixels(result[0, 0]), points[0])
    assert bits.item() == pytest.approx(0.7 * each[0] + 0.3 * each[1], abs=1e-5)


@pytest.mark.parametrize("shape", [(12, 16), (16, 12), (75, 100), (192, 256)])
def test_of_a_uniform_density_both_are_log2_of_the_pixels(shape):
    number = shape[0] * shape[1]
    flat = torch.full((2, 1, *shape), -math.log(number))
    bits = math.log2(16 * number)
    assert entropy(flat).flatten().tolist() == pytest.approx([bits] * 2, abs=1e-4)
    index = torch.tensor([[0, number - 1], [5, 7]])
    assert negative_log_likelihood(flat, index, even(2, 2)).tolist() == pytest.approx([bits] * 2, abs=1e-5)


@pytest.mark.parametrize("spread", [0.1, 2.0, 60.0])
def test_the_entropy_is_scipy_s_of_the_pixels(spread):
    result = densities(2, 3, spread=spread)
    bits = entropy(result)
    assert bits.shape == (2, 3)
    for row in range(2):
        expected = [stats.entropy(of_pixels(item).ravel(), base=2) for item in result[row]]
        np.testing.assert_allclose(bits[row].numpy(), expected, atol=2e-5)


def test_no_density_has_more_entropy_than_the_uniform_one():
    assert (entropy(densities(50, spread=0.01)) < math.log2(48 * 64)).all()
    assert (entropy(densities(50, spread=0.01)) > math.log2(48 * 64) - 1e-3).all()


def test_a_density_that_is_zero_somewhere_has_finite_gradients():
    values = torch.zeros(1, 12, 16)
    values[0, 3, 4] = 500.0  # the others are exp(−500)
    values.requires_grad_(True)
    bits = entropy(values.flatten(1).log_softmax(dim=1).view(1, 12, 16))
    bits.sum().backward()
    assert bits.item() == pytest.approx(4.0)  # those of the 16 pixels of one cell
    assert values.grad.isfinite().all()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_entropy_of_uniform_images_teaches_the_readout_and_not_the_backbone(level):
    backbone = Backbone("tiny", "none", "auto", 1.0)
    before = [parameter.clone() for parameter in backbone._network.parameters()]
    maps = backbone(np.full((*SHAPE, 3), level, np.uint8), torch.device("cpu"))
    torch.manual_seed(0)
    net = DeepGaze([item.shape[0] for item in maps], config())
    result = net([entry[None] for entry in maps], SHAPE, torch.zeros(1, 12, 16))
    (-entropy(result).sum()).backward()
    assert all(element.grad.abs().max() > 0 for element in net.readout.parameters())
    assert all(item.grad is None and not item.requires_grad for item in backbone._network.parameters())
    assert all(map(torch.equal, before, backbone._network.parameters()))
    assert not any(item.requires_grad for item in maps)


def test_following_that_gradient_makes_the_density_uniform():
    backbone = Backbone("tiny", "none", "auto", 1.0)
    maps = [item[None] for item in backbone(np.full((*SHAPE, 3), 128, np.uint8), torch.device("cpu"))]
    torch.manual_seed(0)
    net = DeepGaze([map.shape[1] for map in maps], config())
    net.selection.out.weight.data *= 10
    optimizer, missing = torch.optim.Adam(net.parameters(), lr=1e-3), []
    for _ in range(60):
        bits = entropy(net(maps, SHAPE, torch.zeros(1, 12, 16)))
        missing.append(math.log2(48 * 64) - bits.item())
        optimizer.zero_grad()
        (-bits.sum()).backward()
        optimizer.step()
    assert 0 <= missing[-1] + 1e-5 < 0.1 * missing[0]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_processes_parts_average_to_the_mean_over_the_images_that_count(world):
    values, weights = torch.tensor([3.0, 5.0, 100.0, 7.0]), torch.tensor([1.0, 1.0, 0.0, 1.0])
    parts = []
    for rank in range(world):
        processes = Processes(rank, world)
        parts.append(weighted_mean(processes.rows(values), processes.rows(weights), float(weights.sum()) / world))
    assert sum(parts).item() / world == pytest.approx((3 + 5 + 7) / 3)
