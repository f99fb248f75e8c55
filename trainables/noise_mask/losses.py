"""What trains the policy: the published command's product, the policy gradient, or the gradient through the mask.

In the product both networks share one loss, so that the classifier's gradient is multiplied by about ln(grid²): 8.5 at
grid 64, 5.7 at 16. The other two leave the classifier its plain cross-entropy.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.processes import Processes

TINY = 1e-6


def literal(log_probs: Tensor, errors: Tensor, processes: Processes) -> Tensor:
    """mean_b(log Σ_j p_bj) · mean_b(error), with gradients to policy and classifier.

    The mean over processes of value and gradient is that of the whole batch's product: each factor's own part is
    multiplied by the other factor of all.

    Args:
        log_probs: `[B, J]`, log-density of every cell's sample.
        errors: `[B]`, cross-entropy in nats.

    Source: the public code of Yavuz and Yang 2024, where it is an unstable sum of exponentials. The joint density's
    logarithm would be Σ_j log p_bj: log Σ_j p_bj has a density-weighted mean of its gradients.
    """
    density = processes.batch_mean(log_probs.float().logsumexp(dim=-1))
    error = processes.batch_mean(errors.float())
    all_density, all_error = processes.mean(torch.stack([density, error]))
    return error * all_density + density * all_error - all_density * all_error


def policy_gradient(log_probs: Tensor, advantages: Tensor, processes: Processes | None = None) -> Tensor:
    """mean_b(advantage_b · mean_j log p_bj), a scalar to be minimised.

    With the advantage sign · (error − baseline), sign +1 makes masks under which the error is larger than expected less
    likely (cooperative), −1 more likely (adversarial). The mean over cells keeps its scale at every grid: it is 1/J of
    the expected advantage's gradient.

    Args:
        log_probs: `[…, J]` of samples that have no gradient themselves.
        advantages: `[…]`; no gradient goes through them.
        processes: with them, the mean over processes of the result is exact also where their shares differ.

    Source: Williams 1992, "Simple statistical gradient-following algorithms" (REINFORCE).
    """
    each = advantages.detach().float() * log_probs.float().mean(dim=-1)
    return (processes or Processes()).batch_mean(each)


def among_samples(errors: Tensor, processes: Processes) -> Tensor:
    """(error − mean of the image's other samples' errors), `scaled`: `[K, B]` of errors `[K, B]`.

    What makes an image hard under every mask is no merit or fault of one.

    Raises:
        ValueError: a single sample, which has no others.
    """
    if len(errors) == 1:
        raise ValueError("a single sample of every image has no others to be compared with")
    own = errors.detach().double()  # else rounding, divided by a tiny deviation, would be judged
    others = (own.sum(dim=0) - own) / (len(own) - 1)
    return scaled((own - others).to(errors.dtype), processes)


def scaled(advantages: Tensor, processes: Processes) -> Tensor:
    """Advantages of any shape over their root mean square in the whole batch, without gradient.

    That is their deviation, as those that are made of a batch's own means have a mean of 0.
    """
    own = advantages.detach().double()
    squares, number = processes.sum(torch.stack([own.square().sum(), torch.ones_like(own).sum()]))
    return (own / ((squares / number).sqrt() + TINY)).to(advantages.dtype)


def pathwise(mask: Tensor, sign: float) -> Tensor:
    """The same values, with a gradient times sign: +1 lets a reparametrised mask lower the error, −1 raise it."""
    return mask if sign == 1 else mask.detach() + sign * (mask - mask.detach())
