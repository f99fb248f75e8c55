"""The terms of the training loss: focal and Dice of a batch's pixels, without the ignored ones.

Targets are 0 to 1, or −1 where a pixel is ignored. All of it is computed in float32 (float64 stays float64), also
under bf16 autocast: focal is a sum of millions of small values. With several processes a mean or a Dice coefficient is
that of this process's part of the batch; the loop then averages the gradients.

Source: focal loss, Lin et al. 2017 (eq. 5), for soft targets Li et al. 2020 (quality focal loss, eq. 3); Dice loss,
Milletari et al. 2016, here with the smoothed form and denominator without squares.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.unet_selftrain.config import Config

MIN_ERROR = 1e-6


class Losses(NamedTuple):
    """Scalars: the weighted loss, and its two terms without their weights."""

    total: Tensor
    focal: Tensor
    dice: Tensor


def compute_losses(logits: Tensor, target: Tensor, config: Config) -> Losses:
    """Compute `focal_weight`·focal + (1 − `focal_weight`)·Dice of logits and targets `[B, 1, H, W]`.

    Positives are weighed by alpha or by pos_weight, never by both: a pos_weight of 10 and an alpha of 0.25 would make
    0.25·10/0.75 = 3.3 and not 10.
    """
    alpha, pos_weight = (config.alpha, 1.0) if config.balance == "alpha" else (0.5, config.pos_weight)
    focal_loss = focal(logits, target, config.gamma, alpha, pos_weight)
    dice_loss = dice(logits, target, config.dice_smooth)
    return Losses(config.focal_weight * focal_loss + (1 - config.focal_weight) * dice_loss, focal_loss, dice_loss)


def focal(logits: Tensor, target: Tensor, gamma: float, alpha: float, pos_weight: float) -> Tensor:
    """Average α_t·|y − p|^γ·BCE over the valid pixels, in nats; 0 where all are ignored.

    For y of 0 and 1, |y − p| is focal's 1 − p_t. For soft targets it keeps the minimum at p = y: with focal's own
    factor, a target of 0.75 has its minimum at 0.92. `α_t` = alpha·y + (1 − alpha)·(1 − y); `pos_weight` multiplies
    BCE's positive term.

    Args:
        logits: `[B, 1, H, W]`, finite.
        target: of the same shape, 0 to 1, or −1 for ignored pixels.
        gamma: the exponent, 0 or more.
        alpha: weight of positives, 0 to 1; negatives have 1 − alpha.
        pos_weight: weight of BCE's positive term; 1 leaves it alone.
    """
    with torch.autocast(logits.device.type, enabled=False):
        logits, positive, valid = _prepare(logits, target)
        log_on, log_off = F.logsigmoid(logits), F.logsigmoid(-logits)
        cross_entropy = -(pos_weight * positive * log_on + (1 - positive) * log_off)
        # |y − p|^γ as exp(γ·log|y − p|): the gradient of x^γ at x = 0 is infinite for γ below 1, and this one is not.
        # For y of 0 and 1, log|y − p| is a log-sigmoid, which stays exact where p is rounded to y.
        log_hard = torch.where(positive > 0.5, log_off, log_on)
        log_soft = (positive - logits.sigmoid()).abs().clamp(min=MIN_ERROR).log()
        log_error = torch.where((positive == 0) | (positive == 1), log_hard, log_soft)
        balance = alpha * positive + (1 - alpha) * (1 - positive)
        losses = valid * balance * (gamma * log_error).exp() * cross_entropy
        return losses.sum() / valid.sum().clamp(min=1.0)


def dice(logits: Tensor, target: Tensor, smooth: float) -> Tensor:
    """Compute 1 − (2·Σ p·y + smooth) / (Σ p + Σ y + smooth) over the valid pixels of the whole batch.

    Sums are of the whole batch, because the Dice of an image without particles would be that of `smooth` alone. Without
    a valid pixel it is 0. For soft targets the minimum is not 0.

    Args:
        logits: `[B, 1, H, W]`.
        target: of the same shape, 0 to 1, or −1 for ignored pixels.
        smooth: in pixels, above 0.
    """
    with torch.autocast(logits.device.type, enabled=False):
        logits, positive, valid = _prepare(logits, target)
        probability = valid * logits.sigmoid()
        overlap = (probability * positive).sum()
        return 1 - (2 * overlap + smooth) / (probability.sum() + (valid * positive).sum() + smooth)


def _prepare(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, targets in 0 to 1, and 1 where a pixel is valid, in the precision of the computation."""
    precision = torch.float64 if logits.dtype == torch.float64 else torch.float32
    valid = (target >= 0).to(precision)
    return logits.to(precision), target.to(precision).clamp(0, 1), valid
