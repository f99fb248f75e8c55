"""Samples of the cells: against SciPy's Beta distribution, away from the ends, and with the gradient of the mean."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Beta

from trainables.noise_mask.sampling import sample_cells
from trainables.training.generators import fork_generators


def beta(alpha: float, beta_parameter: float, *shape: int) -> Beta:
    return Beta(torch.full(shape, alpha), torch.full(shape, beta_parameter))


def test_log_probability_and_entropy_are_scipys():
    a, b = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(0)) * 19.8 + 0.2
    distribution = Beta(a, b)
    with fork_generators(torch.device("cpu"), 6):
        values = sample_cells(distribution, 4, False)
    reference = stats.beta(a.double().numpy(), b.double().numpy())
    np.testing.assert_allclose(
        distribution.log_prob(values), reference.logpdf(values.double().numpy()), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(distribution.entropy(), reference.entropy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("alpha", "beta_parameter"), [(1.6, 1.6), (0.2, 3.0), (20.0, 2.0), (0.2, 0.2)])
def test_samples_are_of_the_distribution(alpha, beta_parameter):
    with fork_generators(torch.device("cpu"), 1):
        values = sample_cells(beta(alpha, beta_parameter, 2, 100), 30, False)
    assert values.shape == (30, 2, 100)
    inside = values[(values > 1e-4) & (values < 1 - 1e-4)].double().numpy()  # the rest has been moved there
    reference = stats.beta(alpha, beta_parameter)
    low, high = reference.cdf(1e-4), reference.cdf(1 - 1e-4)
    assert stats.kstest(inside, lambda x: (reference.cdf(x) - low) / (high - low)).pvalue > 1e-3
    assert len(inside) / values.numel() == pytest.approx(high - low, abs=0.02)


@pytest.mark.parametrize("reparametrise", [False, True])
def test_samples_keep_away_from_the_ends_with_finite_densities_and_gradients(reparametrise):
    alpha = torch.full((1, 10_000), 0.05, requires_grad=True)
    distribution = Beta(alpha, alpha.flip(1))
    with fork_generators(torch.device("cpu"), 7):
        values = sample_cells(distribution, 3, reparametrise)
    assert values.min().item() == pytest.approx(1e-4)
    assert values.max().item() == pytest.approx(1 - 1e-4)
    assert values.requires_grad == reparametrise
    logs = distribution.log_prob(values.detach())
    (values.sum() + logs.sum()).backward()
    assert logs.isfinite().all()
    assert alpha.grad.isfinite().all()


def test_reparametrised_samples_have_the_gradient_of_the_mean():
    alpha = torch.full((1, 40_000), 2.0, requires_grad=True)
    beta_parameter = torch.full((1, 40_000), 3.0, requires_grad=True)
    with fork_generators(torch.device("cpu"), 2):
        values = sample_cells(Beta(alpha, beta_parameter), 1, True)
    for gradient, expectation in zip(
        torch.autograd.grad(values.sum(), [alpha, beta_parameter]), (3 / 25, -2 / 25), strict=True
    ):
        error = gradient.std().item() / math.sqrt(gradient.numel())
        assert error < 0.01 * abs(expectation)
        assert gradient.mean().item() == pytest.approx(expectation, abs=4 * error)
