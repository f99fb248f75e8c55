"""The policy: its distributions against SciPy, its running parameters, and that it learns what it is rewarded for."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

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


def head_outputs(network: Policy, batch: torch.Tensor) -> list[torch.Tensor]:
    """Return the outputs of both heads, `[B, grid²]` each."""
    features = network.extractor(batch)
    return [network.alpha(features).detach(), network.beta(features).detach()]


def test_parameters_are_exponentials_of_the_mixture_between_their_bounds():
    network = policy(mix=0.6, beta_low=0.9, beta_high=1.5).eval()
    with torch.no_grad():
        distribution = network(images())
        heads = head_outputs(network, images())
    for result, base, head in zip(
        (distribution.concentration1, distribution.concentration0),
        (network.base_alpha, network.base_beta),
        heads,
        strict=True,
    ):
        expectation = np.clip(np.exp(0.6 * base.numpy() + 0.4 * head.numpy()), 0.9, 1.5)
        np.testing.assert_allclose(result, expectation, rtol=1e-5)
        assert result.shape == (6, 16)
        assert 0.05 < ((result > 0.9) & (result < 1.5)).float().mean() < 0.999  # some are held back


@pytest.mark.parametrize("bounds", [(0.2, 20.0), (1.0, 1.5), (0.7, 3.3)])
def test_bounds_hold_exactly_however_far_the_heads_are(bounds):
    network = policy(mix=0.0, beta_low=bounds[0], beta_high=bounds[1]).eval()
    for value, expectation in ((1e4, bounds[1]), (-1e4, bounds[0])):
        for head in (network.alpha, network.beta):
            nn.init.constant_(head[-1].bias, value)
        distribution = network(images())
        for result in (distribution.concentration1, distribution.concentration0):
            assert result.detach().numpy() == pytest.approx(expectation, rel=1e-6)
            assert (result >= bounds[0]).all()
            assert (result <= bounds[1]).all()


@pytest.mark.parametrize("side", [1, -1])
def test_outside_the_bounds_the_gradient_leads_back_and_never_further_out(side):
    network = policy(mix=0.0).eval()
    bias = network.alpha[-1].bias
    nn.init.constant_(bias, 9.0 * side)
    (out,) = torch.autograd.grad(-side * network(images()).concentration1.log().sum(), bias)
    (back,) = torch.autograd.grad(side * network(images()).concentration1.log().sum(), bias)
    assert (out == 0).all()
    np.testing.assert_allclose(back, 6.0 * side, rtol=1e-6)  # of six images, each ∂ log a / ∂ bias = 1


def test_gradient_within_the_bounds_is_that_of_finite_differences():
    network = policy(mix=0.5).eval().double()
    bias = network.alpha[-1].bias
    weights = torch.linspace(-1, 2, 6 * 16).view(6, 16).double()

    def cost() -> torch.Tensor:
        alpha = network(images().double()).concentration1
        assert 0.2 < alpha.min() < alpha.max() < 20
        return (weights * alpha.square()).sum()

    # heads are fed float32 features, so that the parameters are stepped widely
    network.alpha[0].register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
    network.beta[0].register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
    (result,) = torch.autograd.grad(cost(), bias)
    for cell in (0, 7, 15):
        with torch.no_grad():
            bias[cell] += 1e-4
            upper_cost = cost()
            bias[cell] -= 2e-4
            lower_cost = cost()
            bias[cell] += 1e-4
        assert result[cell].item() == pytest.approx((upper_cost - lower_cost).item() / 2e-4, rel=1e-4)


def test_running_parameters_begin_between_0_and_1_and_are_saved():
    network = policy(grid=32)
    for name in ("base_alpha", "base_beta"):
        base = network.state_dict()[name]
        assert base.shape == (1, 1024)
        assert base.min() >= 0
        assert base.max() < 1
        assert stats.kstest(base.flatten().numpy(), "uniform").pvalue > 1e-3
    assert not torch.equal(network.base_alpha, network.base_beta)


def test_running_parameters_follow_the_heads_mean_in_training_alone():
    network = policy(base_ema=0.75)
    before = copy.deepcopy(network)
    network.eval()(images())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before.state_dict()[name]), name
    distribution = network.train()(images())
    heads = head_outputs(copy.deepcopy(before).train(), images())
    for result, old, head in zip(
        (network.base_alpha, network.base_beta), (before.base_alpha, before.base_beta), heads, strict=True
    ):
        np.testing.assert_allclose(result, 0.75 * old + 0.25 * head.mean(dim=0), rtol=1e-4, atol=1e-6)
        assert not result.requires_grad
    expected_alpha = np.exp(
        0.9 * before.base_alpha.numpy() + 0.1 * heads[0].numpy()
    )  # masks are of these, before they follow
    np.testing.assert_allclose(distribution.concentration1.detach(), expected_alpha, rtol=1e-4)


def test_running_parameters_follow_all_processes_images_equally():
    heads = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    alone = policy(base_ema=0.5)
    alone.follow(*heads)
    total = torch.cat([heads.sum(dim=1).flatten(), torch.tensor([5.0])])
    for rank in range(2):  # three images and two
        network = policy(Rank(rank, 2, total), base_ema=0.5)
        network.follow(*heads[:, rank::2])
        np.testing.assert_allclose(network.base_alpha, alone.base_alpha, rtol=1e-5)
        np.testing.assert_allclose(network.base_beta, alone.base_beta, rtol=1e-5)


def test_batch_norms_see_every_batch_once():
    """The published heads are called twice per pass, which doubles the updates of their statistics."""
    network = policy()
    norms = {name: each for name, each in network.named_modules() if hasattr(each, "num_batches_tracked")}
    assert sum(name.startswith(("alpha", "beta")) for name in norms) == 4
    for passes in (1, 2):
        network(images())
        assert {each.num_batches_tracked.item() for each in norms.values()} == {passes}


def test_heads_are_of_the_published_size():
    network = policy(grid=64, policy_width=512, image_size=64, policy_backbone="resnet10t")
    heads = sum(each.numel() for head in (network.alpha, network.beta) for each in head.parameters())
    assert heads == 2 * (2 * (512 * 512 + 512 + 2 * 512) + 512 * 4096 + 4096)  # 5.26 million
    assert [type(each) for each in network.alpha] == 2 * [nn.Linear, nn.BatchNorm1d, nn.ReLU] + [nn.Linear]


def test_parameters_are_float32_under_autocast_and_all_get_a_gradient():
    network = policy(channels=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        distribution = network(images(channels=3))
        assert distribution.concentration1.dtype == torch.float32
        loss = losses.policy_gradient(distribution.log_prob(sample_cells(distribution, 1, False)), torch.randn(1, 6))
    loss.backward()
    for name, each in network.named_parameters():
        assert each.grad is not None, name
        assert each.grad.isfinite().all(), name
    for head in (network.alpha, network.beta):
        assert head[-1].weight.grad.abs().sum() > 0


def test_heads_fit_an_extractor_that_says_another_number_of_features():
    network = policy(policy_backbone="mobilenetv3_small_050")
    assert network.alpha[0].in_features != network.extractor.num_features
    assert network(images()).concentration1.shape == (6, 16)


def test_an_extractor_that_takes_no_images_of_this_size_is_named():
    with pytest.raises(UsageError, match="policy_backbone=levit_128s does not take images of 32 pixels"):
        policy(policy_backbone="levit_128s")


def train_policy(sign: float, objective: str) -> tuple[float, float]:
    """Measure how far the masks' left and right half move when the error is the left half's mean."""
    config = Config(image_size=16, policy_backbone="test_resnet", policy_width=16, grid=4, sigma=0.0, mix=0.3)
    with fork_generators(torch.device("cpu"), 5):
        network = Policy(config, Processes())
        optimiser = torch.optim.Adam(network.parameters(), 0.01)
        means = []
        for _ in range(60):
            distribution = network(images(32, size=16))
            cells = sample_cells(distribution, 1, objective == "rsample")
            mask = to_mask(cells.view(-1, 1, 4, 4), config)
            means.append(mask.detach().unflatten(3, (2, 8)).mean(dim=(0, 1, 2, 4)))
            if objective == "rsample":
                loss = losses.scale_gradient(mask, sign)[..., :8].mean()
            else:
                errors = mask[..., :8].mean(dim=(1, 2, 3))
                loss = losses.policy_gradient(
                    distribution.log_prob(cells[0]), sign * (errors - errors.mean()) / errors.std()
                )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    shift = torch.stack(means[-10:]).mean(dim=0) - torch.stack(means[:10]).mean(dim=0)
    return shift[0].item(), shift[1].item()


@pytest.mark.parametrize("objective", ["reinforce", "rsample"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_cooperative_policy_lowers_the_error_and_an_adversarial_one_raises_it(sign, objective):
    left, right = train_policy(sign, objective)
    assert -sign * left > 0.1
    assert abs(right) < 0.5 * abs(left)
