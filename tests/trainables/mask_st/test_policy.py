"""PPO's parts: ratios, actions, entropy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainables.mask_st import policy, sampling


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rollout(logits: torch.Tensor, advantages: torch.Tensor) -> policy.Rollout:
    noise = sampling.draw_noise("logistic", tuple(logits.shape), torch.Generator().manual_seed(3))
    actions = policy.draw_actions(logits, noise)
    return policy.Rollout(actions, policy.log_probs(logits, actions).detach(), advantages)


def test_log_probs_are_those_of_a_bernoulli():
    logits, actions = draw(2, 1, 3, 3), (draw(2, 1, 3, 3, seed=1) > 0).float()
    p = 1 / (1 + np.exp(-logits.double().numpy()))
    reference = np.log(np.where(actions.numpy() == 1, p, 1 - p))
    np.testing.assert_allclose(policy.log_probs(logits, actions), reference, rtol=1e-5)


def test_entropy_is_that_of_a_bernoulli():
    logits = draw(2, 1, 3, 3)
    p = 1 / (1 + np.exp(-logits.double().numpy()))
    reference = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(policy.entropy(logits), reference, rtol=1e-5)


def test_actions_follow_the_policy():
    logits = torch.full((100_000,), -2.197)
    noise = sampling.draw_noise("logistic", (100_000,), torch.Generator().manual_seed(0))
    assert policy.draw_actions(logits, noise).mean().item() == pytest.approx(0.1, abs=0.01)


def test_first_update_has_the_policy_gradient():
    logits = draw(4, 1, 14, 14).requires_grad_()
    sample = rollout(logits, torch.tensor([1.0, -2.0, 0.5, 0.0]))
    (gradients,) = torch.autograd.grad(policy.clipped_loss(logits, sample, 0.2).sum(), logits)
    reinforce = -(sample.advantages[:, None, None, None] * policy.log_probs(logits, sample.actions)).sum() / 196
    (reference,) = torch.autograd.grad(reinforce, logits)
    np.testing.assert_allclose(gradients, reference, rtol=1e-4, atol=1e-8)


def test_ratio_is_clipped_per_cell():
    logits = torch.zeros(1, 1, 14, 14)
    sample = rollout(logits, torch.ones(1))
    new_logits = logits.clone()
    new_logits[0, 0, 0, 0] = 4 * (2 * sample.actions[0, 0, 0, 0] - 1)  # one cell far towards its action
    new_logits.requires_grad_()
    (gradient,) = torch.autograd.grad(policy.clipped_loss(new_logits, sample, 0.2).sum(), new_logits)
    assert gradient[0, 0, 0, 0] == 0  # held back
    assert (gradient.flatten()[1:] != 0).all()  # the others are not


def test_a_small_change_of_every_cell_is_not_clipped_away():
    logits = torch.zeros(1, 1, 14, 14)
    sample = rollout(logits, torch.ones(1))
    new_logits = (logits + 0.02 * (2 * sample.actions - 1)).requires_grad_()
    joint = (policy.log_probs(new_logits, sample.actions) - sample.log_probs).sum().exp()
    assert joint > 6  # the joint ratio, which the published code takes, is outside any clip
    (gradient,) = torch.autograd.grad(policy.clipped_loss(new_logits, sample, 0.2).sum(), new_logits)
    assert (gradient != 0).all()


def test_to_grid_averages():
    logits = torch.arange(16.0).view(1, 1, 4, 4)
    assert policy.to_grid(logits, 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert policy.to_grid(logits, 14).shape == (1, 1, 14, 14)
