"""PPO on a grid of Bernoulli actions, the mask learner that the straight-through mask replaces.

An action keeps or drops one cell of the grid; the reward of an image depends on its own mask alone.

Source: Schulman et al. 2017, "Proximal Policy Optimization", eq. 7 and 9.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Rollout(NamedTuple):
    """The actions of a batch's first update, for the updates that re-use them; all without gradient.

    Attributes:
        actions: `[B, 1, g, g]`, 0 or 1.
        log_probs: `[B, 1, g, g]`, of each action under the policy that drew it.
        advantages: `[B]`.
    """

    actions: Tensor
    log_probs: Tensor
    advantages: Tensor


def to_grid(logits: Tensor, grid: int) -> Tensor:
    """Average the generator's logits onto the grid of actions, `[B, 1, g, g]`."""
    return F.adaptive_avg_pool2d(logits.float(), grid)


def draw_actions(logits: Tensor, noise: Tensor) -> Tensor:
    """Draw Bernoulli(σ(logit)) actions from logistic noise of the same shape."""
    return (logits.detach() + noise > 0).float()


def log_probs(logits: Tensor, actions: Tensor) -> Tensor:
    """Compute the log-probability of every single action."""
    return -F.binary_cross_entropy_with_logits(logits, actions, reduction="none")


def clipped_loss(logits: Tensor, rollout: Rollout, clip: float) -> Tensor:
    """Compute the negative clipped surrogate objective, per image `[B]`, mean over cells.

    The ratio is per cell, each clipped on its own. The joint ratio of 196 cells is the exponential of a sum: a change
    of 1 % per cell moves it by a factor of 7, so it is clipped at once and always. Per cell, the gradient where new
    and old policy agree is the same up to the constant 1/196, and no single cell can run away behind the others,
    as it could behind a mean of log-probabilities.
    """
    ratio = (log_probs(logits, rollout.actions) - rollout.log_probs).exp()
    advantage = rollout.advantages[:, None, None, None]
    surrogate = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
    return -surrogate.mean(dim=(1, 2, 3))


def entropy(logits: Tensor) -> Tensor:
    """Compute the entropy of the cells' Bernoulli distributions in nats, per image `[B]`, mean over cells."""
    return (F.softplus(logits) - logits * logits.sigmoid()).mean(dim=(1, 2, 3))
