"""The terms of the training loss, unweighted, one value per image, and the rewards that PPO makes of two of them.

`full` logits are the classifier's on the image, `keep` on what the mask keeps, `drop` on what it leaves, all
`[B, K]`. Each term has the recommended form and, for ablation, the published code's literal one.

Source: keep, drop, area and total variation as in Dabkowski & Gal 2017 (eq. 3); the forms here differ where the
literal ones vanish, see docs/variants/mask_st.md.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.mask_st.config import Config
from trainables.mask_st.sampling import Mask, to_pixels
from trainables.processes import Processes

EPS = 1e-4  # the barrier's distance from 0 and 1, where it is infinite


def classifier_terms(
    config: Config, full_logits: Tensor, keep_logits: Tensor, drop_logits: Tensor, labels: Tensor, processes: Processes
) -> dict[str, Tensor]:
    """What the mask did to the classifier, `[B]` each, scaled so that the mean over the whole batch is the loss."""
    count = drop_count(labels, config.drop_form)
    images, counted = processes.sum(torch.stack([torch.ones_like(count).sum(), count.sum()]))
    dropped = drop(full_logits, drop_logits, labels, config.drop_margin, config.drop_form)
    return {
        "consistency": consistency(full_logits, keep_logits, config.consistency_form),
        # The number of positives differs between processes: a mean of their means would weigh positives unequally.
        "drop": dropped * images / counted.clamp(min=1.0),
    }


def rewards(config: Config, full_logits: Tensor, keep_logits: Tensor, drop_logits: Tensor, labels: Tensor) -> Tensor:
    """What PPO's actions earn, `[B]`: −(alpha·consistency + beta·drop), each of the image alone, without gradient.

    Here drop is the mean over the image's own entries: scaled by the batch's count, as the loss is, an image's reward
    would depend on the findings of those that it happens to be drawn with.
    """
    dropped = drop(full_logits, drop_logits, labels, config.drop_margin, config.drop_form)
    own = dropped / drop_count(labels, config.drop_form).clamp(min=1.0)
    return -(config.alpha * consistency(full_logits, keep_logits, config.consistency_form) + config.beta * own).detach()


def area_terms(config: Config, mask: Mask, logits: Tensor, processes: Processes) -> dict[str, Tensor]:
    """What the mask looks like, `[B]` each.

    `expected`: of σ(logits), each cell's probability to be kept. It is exact, has no sampling noise, and does not
    depend on the temperature, at which a relaxed sample overstates small probabilities (0.18 for 0.1 at T = 1).
    Source: the expected L0 norm in closed form, Louizos et al. 2018 (sec. 2.2). `literal`: of the sampled mask in
    pixels.
    """
    area = logits.sigmoid() if config.area_form == "expected" else to_pixels(mask.value, config.image_size)
    coverage = sparsity(area)
    return {
        "sparsity": coverage,
        "tv": total_variation(area),
        "volume": volume(coverage, config.keep_ratio, config.volume_form, processes),
    }


def full(logits: Tensor, labels: Tensor, pos_weight: Tensor | None = None) -> Tensor:
    """Binary cross-entropy `[B]` in nats, mean over classes; `pos_weight` `[K]` multiplies the positives' part."""
    losses = F.binary_cross_entropy_with_logits(logits.float(), labels, pos_weight=pos_weight, reduction="none")
    return losses.mean(dim=1)


def consistency(full: Tensor, keep: Tensor, form: str = "kl") -> Tensor:
    """How far the keep image's probabilities are from the full image's, `[B]`, mean over classes.

    `kl`: Bernoulli KL(full ‖ keep) in nats, without gradient into `full`: else the classifier agrees with itself
    most easily by saying little. `literal`: |difference|, gradient into both; near 0 by itself for rare classes.
    """
    full, keep = full.float(), keep.float()
    if form == "literal":
        return (full.sigmoid() - keep.sigmoid()).abs().mean(dim=1)
    full = full.detach()
    on = full.sigmoid() * (F.logsigmoid(full) - F.logsigmoid(keep))
    off = (-full).sigmoid() * (F.logsigmoid(-full) - F.logsigmoid(-keep))
    return (on + off).mean(dim=1)


def drop(full: Tensor, drop: Tensor, labels: Tensor, margin: float, form: str = "margin") -> Tensor:
    """By how much dropping the mask fails to lower the probabilities, `[B]`, *summed* over classes.

    `margin`: over the positive classes, relu(P_drop − P_full + margin); divide by `drop_count`. `literal`: over
    all classes and without margin, so 0 unless removing the region raises a score. No gradient into `full`.
    """
    rise = drop.float().sigmoid() - full.detach().float().sigmoid()
    if form == "literal":
        return rise.relu().sum(dim=1)
    return ((rise + margin).relu() * labels).sum(dim=1)


def drop_count(labels: Tensor, form: str = "margin") -> Tensor:
    """The number `[B]` of entries that `drop` sums over."""
    return labels.sum(dim=1) if form == "margin" else torch.full_like(labels[:, 0], labels.shape[1])


def sparsity(mask: Tensor) -> Tensor:
    """Kept share `[B]` of a mask `[B, 1, h, w]`."""
    return mask.mean(dim=(1, 2, 3))


def total_variation(mask: Tensor) -> Tensor:
    """Mean |difference| of vertical neighbours plus that of horizontal ones, `[B]`; at most 2, on a chessboard."""
    vertical = (mask[..., 1:, :] - mask[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    horizontal = (mask[..., :, 1:] - mask[..., :, :-1]).abs().mean(dim=(1, 2, 3))
    return vertical + horizontal


def volume(coverage: Tensor, target: float, form: str, processes: Processes) -> Tensor:
    """The penalty `[B]` for kept shares `[B]` away from the target.

    `quadratic`: (coverage − target)², per image. `barrier`: KL(target ‖ coverage) in nats, which still pulls when a
    mask has collapsed to 0 or 1. `literal`: the square of the batch's mean error, to which a batch of half empty
    and half overfull masks is perfect.
    """
    if form == "barrier":
        on = EPS + (1 - 2 * EPS) * coverage  # a clamp would have no gradient where the pull is needed most
        wanted = torch.as_tensor(target, dtype=on.dtype, device=on.device)
        return wanted * (wanted / on).log() + (1 - wanted) * ((1 - wanted) / (1 - on)).log()
    if form == "literal":
        total, images = processes.sum(torch.stack([coverage.sum(), torch.ones_like(coverage).sum()]))
        own = coverage.mean()
        whole = own + (total / images - own.detach())  # the global mean, with this process's part of its gradient
        return (whole - target).square().expand_as(coverage)
    return (coverage - target).square()


def positive_weights(labels: np.ndarray, cap: float, device: torch.device) -> Tensor | None:
    """Per class negatives over positives `[K]`, between 1 and the cap; None with a cap of 1.

    Args:
        labels: the training split's, `[N, K]`.
    """
    if cap <= 1:
        return None
    positives = torch.from_numpy(labels).to(device).sum(dim=0)
    return ((len(labels) - positives) / positives.clamp(min=1)).clamp(1.0, cap)
