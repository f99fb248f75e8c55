"""Losses of the policy: gradients in expectation, by hand, and by several processes; and the effect of `literal`."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Beta

from trainables.noise_mask import losses
from trainables.noise_mask.config import Config
from trainables.noise_mask.masks import to_mask
from trainables.noise_mask.policy import Policy
from trainables.noise_mask.sampling import sample_cells
from trainables.processes import Processes
from trainables.training.generators import fork_generators
from trainables.training.reward_baseline import leave_one_out_mean

ONE = Processes()


@dataclass(frozen=True)
class Together(Processes):
    """One of several processes, each of which is a thread."""

    said: dict[int, torch.Tensor] = field(default_factory=dict)
    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))

    def sum(self, value):
        self.said[self.rank] = value.detach()
        self.meeting.wait(30)
        total = torch.stack([self.said[rank] for rank in range(self.world)]).sum(dim=0)
        self.meeting.wait(30)
        return total


def together(world: int, work) -> list:
    """Run `work(processes)` in each of several processes."""
    said, meeting = {}, threading.Barrier(world)
    with ThreadPoolExecutor(world) as pool:
        return list(pool.map(lambda rank: work(Together(rank, world, said, meeting)), range(world)))


def draws(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def parts(loss, world: int, *whole: torch.Tensor) -> tuple[float, list[torch.Tensor]]:
    """Compute value and gradients `[B, …]` of a loss with `world` processes, as the loop averages them."""

    def work(processes):
        own = [processes.rows(each.detach()).clone().requires_grad_() for each in whole]
        value = loss(*own, processes)
        return value.item(), torch.autograd.grad(value, own, allow_unused=True)

    found = together(world, work)
    gradients = []
    for index, each in enumerate(whole):
        gradient = torch.zeros_like(each)
        for rank, (_, own) in enumerate(found):
            if own[index] is not None:
                gradient[rank::world] = own[index] / world
        gradients.append(gradient)
    return float(np.mean([value for value, _ in found])), gradients


def test_literal_is_the_published_product_with_its_gradient():
    log_probs, errors = draws(5, 9).requires_grad_(), draws(5, seed=1).exp().requires_grad_()
    expectation = (log_probs.exp().sum(dim=1).log() * errors.mean()).mean()
    result = losses.literal_product(log_probs, errors, ONE)
    assert result.item() == pytest.approx(expectation.item(), rel=1e-5)
    for one, other in zip(
        *(torch.autograd.grad(each, [log_probs, errors]) for each in (result, expectation)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


def test_literal_is_finite_where_a_sum_of_exponentials_is_not():
    log_probs = torch.tensor([[500.0, -500.0], [-800.0, -900.0]])
    assert losses.literal_product(log_probs, torch.ones(2), ONE).item() == pytest.approx(-150.0)


@pytest.mark.parametrize(("world", "images"), [(2, 6), (2, 5), (3, 7)])
def test_literal_of_several_processes_is_that_of_one(world, images):
    log_probs, errors = draws(images, 4), draws(images, seed=1).exp()
    (value, expectation), (result, gradients) = (
        parts(losses.literal_product, each, log_probs, errors) for each in (1, world)
    )
    assert result == pytest.approx(value, rel=1e-5)
    for one, other in zip(gradients, expectation, strict=True):
        assert other.abs().max() > 0.01
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("world", "images"), [(2, 5), (3, 7)])
def test_policy_gradient_of_several_processes_is_that_of_one(world, images):
    log_probs, advantages = draws(images, 4), draws(images, seed=1)
    (value, expectation), (result, gradients) = (
        parts(losses.policy_gradient, each, log_probs, advantages) for each in (1, world)
    )
    assert result == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(gradients[0], expectation[0], rtol=1e-5)


def test_policy_gradient_by_hand():
    log_probs = torch.tensor([[1.0, 3.0], [0.0, -4.0]], requires_grad=True)
    result = losses.policy_gradient(log_probs, torch.tensor([2.0, -1.0]))
    assert result.item() == pytest.approx((2 * 2.0 + -1 * -2.0) / 2)
    result.backward()
    assert log_probs.grad.tolist() == [[0.5, 0.5], [-0.25, -0.25]]


def expected(alpha: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Compute E[2·x₀ − x₁ + x₀·x₂] of independent Beta variables."""
    mean = alpha / (alpha + other)
    return 2 * mean[0] - mean[1] + mean[0] * mean[2]


@pytest.mark.parametrize("world", [1, 2])
def test_policy_gradient_is_that_of_the_expected_error(world):
    """In expectation, as the score function's identity says; each cell's tolerance is its standard error."""
    alpha, other = torch.tensor([1.5, 0.6, 4.0]), torch.tensor([2.0, 1.2, 1.0])
    leaves = [each.clone().requires_grad_() for each in (alpha, other)]
    expectation = torch.autograd.grad(expected(*leaves), leaves)
    images = 40_000
    with fork_generators(torch.device("cpu"), 3):
        x = sample_cells(Beta(alpha.expand(images, 3), other.expand(images, 3)), 1, False)[0]
    errors = 2 * x[:, 0] - x[:, 1] + x[:, 0] * x[:, 2]

    def loss(alphas, others, x, errors, processes):
        advantages = errors - leave_one_out_mean(errors, processes)
        return losses.policy_gradient(Beta(alphas, others).log_prob(x.detach()), advantages, processes)

    _, gradients = parts(loss, world, alpha.expand(images, 3), other.expand(images, 3), x, errors)
    for result, exact in zip(gradients[:2], expectation, strict=True):
        each = (result * images * 3).double().numpy()  # the loss is a mean over images and over three cells
        error = each.std(axis=0) / math.sqrt(images)
        assert (np.abs(each.mean(axis=0) - exact.numpy()) < 4 * error).all()
        assert (error < 0.1 * np.abs(exact.numpy())).sum() >= 2  # it could fail


def test_pathwise_keeps_values_and_turns_the_gradient():
    mask = torch.rand(2, 1, 3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = draws(2, 1, 3, 3)
    for sign in (1, -1):
        result = losses.scale_gradient(mask, sign)
        assert torch.equal(result, mask)
        (gradient,) = torch.autograd.grad((weights * result.square()).sum(), mask)
        np.testing.assert_allclose(gradient, sign * 2 * weights * mask.detach(), rtol=1e-6)


def test_samples_are_compared_with_the_images_other_samples():
    errors = draws(3, 5)
    known = errors.double().numpy()
    expectation = np.stack([known[k] - np.delete(known, k, axis=0).mean(axis=0) for k in range(3)])
    result = losses.sample_advantages(errors, ONE)
    np.testing.assert_allclose(result, expectation / expectation.std(), rtol=1e-4)
    hard = errors + torch.tensor([0.0, 50.0, 0.0, -3.0, 0.0])  # of images, and not of masks
    np.testing.assert_allclose(losses.sample_advantages(hard, ONE), result, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("errors", [torch.full((7, 7), 5.106_123), torch.tensor([[1.1], [1.1]])])
def test_equal_errors_give_advantages_of_exactly_0(errors):
    assert (losses.sample_advantages(errors, ONE) == 0).all()
    assert (losses.scale_advantages(errors[0] - leave_one_out_mean(errors[0], ONE), ONE) == 0).all()


def test_a_single_sample_has_no_others():
    with pytest.raises(ValueError, match="no others"):
        losses.sample_advantages(torch.ones(1, 4), ONE)


def test_scaled_advantages_have_a_deviation_of_1_in_the_whole_batch():
    errors = 0.01 * draws(7) + 3
    whole = losses.scale_advantages(errors - leave_one_out_mean(errors, ONE), ONE)
    assert whole.double().std(correction=0).item() == pytest.approx(1, abs=1e-3)
    found = together(2, lambda p: losses.scale_advantages(p.rows(errors) - leave_one_out_mean(p.rows(errors), p), p))
    for rank, result in enumerate(found):
        np.testing.assert_allclose(result, whole[rank::2], rtol=1e-4)


def gradients_of_a_classifier(grid: int) -> dict[str, torch.Tensor]:
    """Compute a classifier's gradient by cross-entropy, by `literal` and by policy gradient, on the same masks."""
    config = Config(image_size=64, policy_backbone="test_resnet", policy_width=16, grid=grid, sigma=1.0)
    images, labels = draws(6, 1, 64, 64), torch.arange(6) % 3
    with fork_generators(torch.device("cpu"), 4):
        classifier = nn.Sequential(nn.Conv2d(1, 4, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 15 * 15, 3))
        beta = Policy(config, ONE)(images)
        cells = sample_cells(beta, 1, False)[0]
    masked = images * to_mask(cells.view(6, 1, grid, grid), config)
    errors = nn.functional.cross_entropy(classifier(masked), labels, reduction="none")
    log_probs = beta.log_prob(cells)
    advantages = errors - leave_one_out_mean(errors, ONE)  # with errors' own gradient, which must go no further
    total = {
        "plain": errors.mean(),
        "literal": losses.literal_product(log_probs, errors, ONE),
        "reinforce": errors.mean() + losses.policy_gradient(log_probs, advantages),
    }
    weights = list(classifier.parameters())
    return {
        name: torch.cat([each.flatten() for each in torch.autograd.grad(loss, weights, retain_graph=True)])
        for name, loss in total.items()
    }


@pytest.mark.parametrize("grid", [16, 32, 64])
def test_literal_multiplies_the_classifiers_gradient_and_the_policy_gradient_does_not(grid):
    """By ln(grid²) + 0.15: to change the grid is to change the classifier's learning rate."""
    found = gradients_of_a_classifier(grid)
    plain = found["plain"]
    assert plain.norm() > 1e-3
    assert torch.equal(found["reinforce"], plain)
    factor = (found["literal"] @ plain / plain.square().sum()).item()
    np.testing.assert_allclose(found["literal"], factor * plain, rtol=1e-3, atol=1e-6)
    assert factor == pytest.approx(math.log(grid**2) + 0.15, abs=0.1)
