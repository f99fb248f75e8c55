"""Losses of the policy: the published command's product, the policy gradient, or the gradient through the mask.

In the product both networks share one loss, so that the classifier's gradient is multiplied by about ln(grid²): 8.5 at
grid 64, 5.7 at 16. The other two leave the classifier its plain cross-entropy.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.processes import Processes

TINY = 1e-6


def literal_product(log_probs: Tensor, errors: Tensor, processes: Processes) -> Tensor:
    """Compute mean_b(log Σ_j p_bj) · mean_b(error), with gradients to policy and classifier.

    The mean over processes of value and gradient is that of the whole batch's product: each factor's own part is
    multiplied by the other factor of all.

    Args:
        log_probs: `[B, J]`, log-density of every cell's sample.
        errors: `[B]`, cross-entropy in nats.

    Source: the public code of Yavuz and Yang 2024, where it is an unstable sum of exponentials. The joint density's
    logarithm would be Σ_j log p_bj: log Σ_j p_bj has a density-weighted mean of its gradients.
    """
    density = processes.batch_mean(log_probs.float().logsumexp(dim=-1))  # a sum of exponentials would overflow
    error = processes.batch_mean(errors.float())
    all_density, all_error = processes.mean(torch.stack([density, error]))
    # The whole batch's factors are constants here, so that each own factor has the gradient that the product gives it;
    # the last term corrects the value, which the first two count twice.
    return error * all_density + density * all_error - all_density * all_error


def policy_gradient(log_probs: Tensor, advantages: Tensor, processes: Processes | None = None) -> Tensor:
    """Compute mean_b(advantage_b · mean_j log p_bj), a scalar to be minimised.

    With the advantage sign · (error − baseline), sign +1 makes masks under which the error is larger than expected less
    likely (cooperative), −1 more likely (adversarial). The mean over cells keeps its scale at every grid: it is 1/J of
    the expected advantage's gradient.

    Args:
        log_probs: `[…, J]` of samples that have no gradient themselves.
        advantages: `[…]`; no gradient goes through them.
        processes: with them, the mean over processes of the result is exact also where their shares differ.

    Source: Williams 1992, "Simple statistical gradient-following algorithms" (REINFORCE).
    """
    scores = advantages.detach().float() * log_probs.float().mean(dim=-1)
    return (processes or Processes()).batch_mean(scores)


def sample_advantages(errors: Tensor, processes: Processes) -> Tensor:
    """Compare each sample with the image's other samples: error − mean of the others', scaled, `[K, B]` of `[K, B]`.

    An image that is hard under every mask so gives none of them a large advantage.

    Raises:
        ValueError: a single sample, which has no others.
    """
    if len(errors) == 1:
        raise ValueError("a single sample of every image has no others to be compared with")
    exact = errors.detach().double()  # else rounding, divided by a tiny deviation, would be taken for an advantage
    means = (exact.sum(dim=0) - exact) / (len(exact) - 1)
    return scale_advantages((exact - means).to(errors.dtype), processes)


def scale_advantages(advantages: Tensor, processes: Processes) -> Tensor:
    """Divide advantages of any shape by their root mean square in the whole batch, without gradient.

    That is their deviation, as advantages over a batch's own means have a mean of 0.
    """
    exact = advantages.detach().double()
    squares, count = processes.sum(torch.stack([exact.square().sum(), torch.ones_like(exact).sum()]))
    return (exact / ((squares / count).sqrt() + TINY)).to(advantages.dtype)  # 0 where all errors are equal, not NaN


def scale_gradient(masks: Tensor, sign: float) -> Tensor:
    """Keep the values and multiply the gradient: by +1, reparametrised masks lower the error; by −1, they raise it."""
    return masks if sign == 1 else masks.detach() + sign * (masks - masks.detach())
