"""The policy: its distributions against SciPy, its running parameters, and that it learns what it is rewarded for."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.distributions import Beta

from trainables.noise_mask import losses
from trainables.noise_mask.config import Config
from trainables.noise_mask.masks import to_mask
from trainables.noise_mask.policy import Policy
from trainables.noise_mask.sampling import sample_cells
from trainables.processes import Processes
from trainables.settings import UsageError
from trainables.training.generators import fork_generators


@dataclass(frozen=True)
class Rank(Processes):
    """One of several processes whose sums are known beforehand."""

    total: torch.Tensor | None = None

    def sum(self, value):
        return self.total


def policy(processes: Processes | None = None, **values) -> Policy:
    defaults = {"image_size": 32, "policy_backbone": "test_resnet", "policy_width": 16, "grid": 4}
    with fork_generators(torch.device("cpu"), 0):
        return Policy(Config(**{**defaults, **values}), processes or Processes())


def images(count: int = 6, channels: int = 1, size: int = 32) -> torch.Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(0))


def said(made: Policy, seen: torch.Tensor) -> list[torch.Tensor]:
    """What both heads say, `[B, grid²]` each."""
    features = made.extractor(seen)
    return [made.alpha(features).detach(), made.beta(features).detach()]


def beta(alpha: float, other: float, *shape: int) -> Beta:
    return Beta(torch.full(shape, alpha), torch.full(shape, other))


def test_parameters_are_exponentials_of_the_mixture_between_their_bounds():
    made = policy(mix=0.6, beta_low=0.9, beta_high=1.5).eval()
    with torch.no_grad():
        found = made(images())
        heads = said(made, images())
    for got, base, head in zip(
        (found.concentration1, found.concentration0), (made.base_alpha, made.base_beta), heads, strict=True
    ):
        wanted = np.clip(np.exp(0.6 * base.numpy() + 0.4 * head.numpy()), 0.9, 1.5)
        np.testing.assert_allclose(got, wanted, rtol=1e-5)
        assert got.shape == (6, 16)
        assert 0.05 < ((got > 0.9) & (got < 1.5)).float().mean() < 0.999  # some are held back


@pytest.mark.parametrize("bounds", [(0.2, 20.0), (1.0, 1.5), (0.7, 3.3)])
def test_bounds_hold_exactly_however_far_the_heads_are(bounds):
    made = policy(mix=0.0, beta_low=bounds[0], beta_high=bounds[1]).eval()
    for value, wanted in ((1e4, bounds[1]), (-1e4, bounds[0])):
        for head in (made.alpha, made.beta):
            nn.init.constant_(head[-1].bias, value)
        found = made(images())
        for got in (found.concentration1, found.concentration0):
            assert got.detach().numpy() == pytest.approx(wanted, rel=1e-6)
            assert (got >= bounds[0]).all()
            assert (got <= bounds[1]).all()


@pytest.mark.parametrize("side", [1, -1])
def test_outside_the_bounds_the_gradient_leads_back_and_never_further_out(side):
    made = policy(mix=0.0).eval()
    bias = made.alpha[-1].bias
    nn.init.constant_(bias, 9.0 * side)
    (out,) = torch.autograd.grad(-side * made(images()).concentration1.log().sum(), bias)
    (back,) = torch.autograd.grad(side * made(images()).concentration1.log().sum(), bias)
    assert (out == 0).all()
    np.testing.assert_allclose(back, 6.0 * side, rtol=1e-6)  # of six images, each ∂ log a / ∂ bias = 1


def test_gradient_within_the_bounds_is_that_of_finite_differences():
    made = policy(mix=0.5).eval().double()
    bias = made.alpha[-1].bias
    weights = torch.linspace(-1, 2, 6 * 16).view(6, 16).double()

    def cost() -> torch.Tensor:
        made_of = made(images().double()).concentration1
        assert 0.2 < made_of.min() < made_of.max() < 20
        return (weights * made_of.square()).sum()

    # heads are fed float32 features, so that the parameters are stepped widely
    made.alpha[0].register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
    made.beta[0].register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
    (got,) = torch.autograd.grad(cost(), bias)
    for cell in (0, 7, 15):
        with torch.no_grad():
            bias[cell] += 1e-4
            above = cost()
            bias[cell] -= 2e-4
            below = cost()
            bias[cell] += 1e-4
        assert got[cell].item() == pytest.approx((above - below).item() / 2e-4, rel=1e-4)


def test_running_parameters_begin_between_0_and_1_and_are_saved():
    made = policy(grid=32)
    for name in ("base_alpha", "base_beta"):
        base = made.state_dict()[name]
        assert base.shape == (1, 1024)
        assert base.min() >= 0
        assert base.max() < 1
        assert stats.kstest(base.flatten().numpy(), "uniform").pvalue > 1e-3
    assert not torch.equal(made.base_alpha, made.base_beta)


def test_running_parameters_follow_the_heads_mean_in_training_alone():
    made = policy(base_ema=0.75)
    before = copy.deepcopy(made)
    made.eval()(images())
    for name, value in made.state_dict().items():
        assert torch.equal(value, before.state_dict()[name]), name
    found = made.train()(images())
    heads = said(copy.deepcopy(before).train(), images())
    for got, old, head in zip(
        (made.base_alpha, made.base_beta), (before.base_alpha, before.base_beta), heads, strict=True
    ):
        np.testing.assert_allclose(got, 0.75 * old + 0.25 * head.mean(dim=0), rtol=1e-4, atol=1e-6)
        assert not got.requires_grad
    unmoved = np.exp(0.9 * before.base_alpha.numpy() + 0.1 * heads[0].numpy())  # masks are of these, before they follow
    np.testing.assert_allclose(found.concentration1.detach(), unmoved, rtol=1e-4)


def test_running_parameters_follow_all_processes_images_equally():
    heads = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    alone = policy(base_ema=0.5)
    alone.follow(*heads)
    total = torch.cat([heads.sum(dim=1).flatten(), torch.tensor([5.0])])
    for rank in range(2):  # three images and two
        made = policy(Rank(rank, 2, total), base_ema=0.5)
        made.follow(*heads[:, rank::2])
        np.testing.assert_allclose(made.base_alpha, alone.base_alpha, rtol=1e-5)
        np.testing.assert_allclose(made.base_beta, alone.base_beta, rtol=1e-5)


def test_batch_norms_see_every_batch_once():
    """The published heads are called twice per pass, which doubles the updates of their statistics."""
    made = policy()
    norms = {name: each for name, each in made.named_modules() if hasattr(each, "num_batches_tracked")}
    assert sum(name.startswith(("alpha", "beta")) for name in norms) == 4
    for passes in (1, 2):
        made(images())
        assert {each.num_batches_tracked.item() for each in norms.values()} == {passes}


def test_heads_are_of_the_published_size():
    made = policy(grid=64, policy_width=512, image_size=64, policy_backbone="resnet10t")
    heads = sum(each.numel() for head in (made.alpha, made.beta) for each in head.parameters())
    assert heads == 2 * (2 * (512 * 512 + 512 + 2 * 512) + 512 * 4096 + 4096)  # 5.26 million
    assert [type(each) for each in made.alpha] == 2 * [nn.Linear, nn.BatchNorm1d, nn.ReLU] + [nn.Linear]


def test_parameters_are_float32_under_autocast_and_all_get_a_gradient():
    made = policy(channels=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = made(images(channels=3))
        assert found.concentration1.dtype == torch.float32
        loss = losses.policy_gradient(found.log_prob(sample_cells(found, 1, False)), torch.randn(1, 6))
    loss.backward()
    for name, each in made.named_parameters():
        assert each.grad is not None, name
        assert each.grad.isfinite().all(), name
    for head in (made.alpha, made.beta):
        assert head[-1].weight.grad.abs().sum() > 0


def test_heads_fit_an_extractor_that_says_another_number_of_features():
    made = policy(policy_backbone="mobilenetv3_small_050")
    assert made.alpha[0].in_features != made.extractor.num_features
    assert made(images()).concentration1.shape == (6, 16)


def test_an_extractor_that_takes_no_images_of_this_size_is_named():
    with pytest.raises(UsageError, match="policy_backbone=levit_128s does not take images of 32 pixels"):
        policy(policy_backbone="levit_128s")


def test_log_probability_and_entropy_are_scipys():
    a, b = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(0)) * 19.8 + 0.2
    distribution = Beta(a, b)
    with fork_generators(torch.device("cpu"), 6):
        values = sample_cells(distribution, 4, False)
    known = stats.beta(a.double().numpy(), b.double().numpy())
    np.testing.assert_allclose(
        distribution.log_prob(values), known.logpdf(values.double().numpy()), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(distribution.entropy(), known.entropy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("alpha", "other"), [(1.6, 1.6), (0.2, 3.0), (20.0, 2.0), (0.2, 0.2)])
def test_samples_are_of_the_distribution(alpha, other):
    with fork_generators(torch.device("cpu"), 1):
        values = sample_cells(beta(alpha, other, 2, 100), 30, False)
    assert values.shape == (30, 2, 100)
    inside = values[(values > 1e-4) & (values < 1 - 1e-4)].double().numpy()  # the rest has been moved there
    known = stats.beta(alpha, other)
    low, high = known.cdf(1e-4), known.cdf(1 - 1e-4)
    assert stats.kstest(inside, lambda x: (known.cdf(x) - low) / (high - low)).pvalue > 1e-3
    assert len(inside) / values.numel() == pytest.approx(high - low, abs=0.02)


@pytest.mark.parametrize("reparametrised", [False, True])
def test_samples_keep_away_from_the_ends_with_finite_densities_and_gradients(reparametrised):
    alpha = torch.full((1, 10_000), 0.05, requires_grad=True)
    distribution = Beta(alpha, alpha.flip(1))
    with fork_generators(torch.device("cpu"), 7):
        values = sample_cells(distribution, 3, reparametrised)
    assert values.min().item() == pytest.approx(1e-4)
    assert values.max().item() == pytest.approx(1 - 1e-4)
    assert values.requires_grad == reparametrised
    logs = distribution.log_prob(values.detach())
    (values.sum() + logs.sum()).backward()
    assert logs.isfinite().all()
    assert alpha.grad.isfinite().all()


def test_reparametrised_samples_have_the_gradient_of_the_mean():
    alpha = torch.full((1, 40_000), 2.0, requires_grad=True)
    other = torch.full((1, 40_000), 3.0, requires_grad=True)
    with fork_generators(torch.device("cpu"), 2):
        values = sample_cells(Beta(alpha, other), 1, True)
    for got, wanted in zip(torch.autograd.grad(values.sum(), [alpha, other]), (3 / 25, -2 / 25), strict=True):
        error = got.std().item() / math.sqrt(got.numel())
        assert error < 0.01 * abs(wanted)
        assert got.mean().item() == pytest.approx(wanted, abs=4 * error)


def trained(sign: float, objective: str) -> tuple[float, float]:
    """How far the masks' left and right half have moved, when the error is the left half's mean."""
    config = Config(image_size=16, policy_backbone="test_resnet", policy_width=16, grid=4, sigma=0.0, mix=0.3)
    with fork_generators(torch.device("cpu"), 5):
        made = Policy(config, Processes())
        optimiser = torch.optim.Adam(made.parameters(), 0.01)
        means = []
        for _ in range(60):
            found = made(images(32, size=16))
            cells = sample_cells(found, 1, objective == "rsample")
            mask = to_mask(cells.view(-1, 1, 4, 4), config)
            means.append(mask.detach().unflatten(3, (2, 8)).mean(dim=(0, 1, 2, 4)))
            if objective == "rsample":
                loss = losses.scale_gradient(mask, sign)[..., :8].mean()
            else:
                errors = mask[..., :8].mean(dim=(1, 2, 3))
                loss = losses.policy_gradient(found.log_prob(cells[0]), sign * (errors - errors.mean()) / errors.std())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    moved = torch.stack(means[-10:]).mean(dim=0) - torch.stack(means[:10]).mean(dim=0)
    return moved[0].item(), moved[1].item()


@pytest.mark.parametrize("objective", ["reinforce", "rsample"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_cooperative_policy_lowers_the_error_and_an_adversarial_one_raises_it(sign, objective):
    left, right = trained(sign, objective)
    assert -sign * left > 0.1
    assert abs(right) < 0.5 * abs(left)
