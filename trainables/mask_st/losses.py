"""The terms of the training loss, unweighted, one value per image, and PPO's rewards, computed from two of them.

`full` logits are the classifier's on the image, `keep` on what the mask keeps, `drop` on what it drops, all
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
    """Compute the mask's effect on the classifier, `[B]` each; the mean over the whole batch is the loss."""
    count = drop_count(labels, config.drop_form)
    images, entries = processes.sum(torch.stack([torch.ones_like(count).sum(), count.sum()]))
    shortfall = drop(full_logits, drop_logits, labels, config.drop_margin, config.drop_form)
    return {
        "consistency": consistency(full_logits, keep_logits, config.consistency_form),
        # The number of positives differs between processes: a mean of their means would weigh positives unequally.
        "drop": shortfall * images / entries.clamp(min=1.0),
    }


def rewards(config: Config, full_logits: Tensor, keep_logits: Tensor, drop_logits: Tensor, labels: Tensor) -> Tensor:
    """Compute PPO's rewards, `[B]`: −(alpha·consistency + beta·drop), of each image alone, without gradient.

    Here drop is the mean over the image's own entries. Scaled by the batch's count, as the loss is, the reward of an
    image would depend on the findings of the other images in its batch.
    """
    shortfall = drop(full_logits, drop_logits, labels, config.drop_margin, config.drop_form)
    mean_shortfall = shortfall / drop_count(labels, config.drop_form).clamp(min=1.0)
    distance = consistency(full_logits, keep_logits, config.consistency_form)
    return -(config.alpha * distance + config.beta * mean_shortfall).detach()


def area_terms(config: Config, mask: Mask, logits: Tensor, processes: Processes) -> dict[str, Tensor]:
    """Compute the terms of the mask's area and shape, `[B]` each.

    `expected`: of σ(logits), the probability of each cell to be kept. It is exact, has no sampling noise, and does not
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
    """Compute binary cross-entropy `[B]` in nats, mean over classes; `pos_weight` `[K]` multiplies the positives."""
    losses = F.binary_cross_entropy_with_logits(logits.float(), labels, pos_weight=pos_weight, reduction="none")
    return losses.mean(dim=1)


def consistency(full: Tensor, keep: Tensor, form: str = "kl") -> Tensor:
    """Measure the distance of the keep image's probabilities from the full image's, `[B]`, mean over classes.

    `kl`: Bernoulli KL(full ‖ keep) in nats, without gradient into `full`: with it, the classifier agrees with itself
    most easily by predicting little. `literal`: |difference|, gradient into both; near 0 by itself for rare classes.
    """
    full, keep = full.float(), keep.float()
    if form == "literal":
        return (full.sigmoid() - keep.sigmoid()).abs().mean(dim=1)
    full = full.detach()
    # In logits, not probabilities: the logarithm of a sigmoid that has underflowed to 0 would be infinite.
    present = full.sigmoid() * (F.logsigmoid(full) - F.logsigmoid(keep))
    absent = (-full).sigmoid() * (F.logsigmoid(-full) - F.logsigmoid(-keep))
    return (present + absent).mean(dim=1)


def drop(full: Tensor, drop: Tensor, labels: Tensor, margin: float, form: str = "margin") -> Tensor:
    """Measure by how much the drop image fails to lower the probabilities, `[B]`, *summed* over classes.

    `margin`: over the positive classes, relu(P_drop − P_full + margin); divide by `drop_count`. `literal`: over
    all classes and without margin, so 0 unless removing the region raises a score. No gradient into `full`.
    """
    rise = drop.float().sigmoid() - full.detach().float().sigmoid()
    if form == "literal":
        return rise.relu().sum(dim=1)
    return ((rise + margin).relu() * labels).sum(dim=1)


def drop_count(labels: Tensor, form: str = "margin") -> Tensor:
    """Count the entries `[B]` that `drop` sums over."""
    return labels.sum(dim=1) if form == "margin" else torch.full_like(labels[:, 0], labels.shape[1])


def sparsity(mask: Tensor) -> Tensor:
    """Compute the share `[B]` that a mask `[B, 1, h, w]` keeps."""
    return mask.mean(dim=(1, 2, 3))


def total_variation(mask: Tensor) -> Tensor:
    """Average |difference| over vertical neighbours, plus over horizontal ones, `[B]`; at most 2, on a chessboard."""
    vertical = (mask[..., 1:, :] - mask[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    horizontal = (mask[..., :, 1:] - mask[..., :, :-1]).abs().mean(dim=(1, 2, 3))
    return vertical + horizontal


def volume(coverage: Tensor, target: float, form: str, processes: Processes) -> Tensor:
    """Compute the penalty `[B]` for shares of kept cells `[B]` away from the target.

    `quadratic`: (coverage − target)², per image. `barrier`: KL(target ‖ coverage) in nats, which still pulls when a
    mask has collapsed to 0 or 1. `literal`: the square of the batch's mean error, to which a batch of half empty
    and half overfull masks is perfect.
    """
    if form == "barrier":
        q = EPS + (1 - 2 * EPS) * coverage  # a clamp would have no gradient where the pull is needed most
        p = torch.as_tensor(target, dtype=q.dtype, device=q.device)
        return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    if form == "literal":
        total, images = processes.sum(torch.stack([coverage.sum(), torch.ones_like(coverage).sum()]))
        local_mean = coverage.mean()
        # The value is the mean over all processes, the gradient that of this process's rows; the loop averages those.
        mean = local_mean + (total / images - local_mean.detach())
        return (mean - target).square().expand_as(coverage)
    return (coverage - target).square()


def positive_weights(labels: np.ndarray, cap: float, device: torch.device) -> Tensor | None:
    """Compute negatives over positives of each class, `[K]`, between 1 and the cap; None with a cap of 1.

    Args:
        labels: of the training split, `[N, K]`.
        cap: largest weight.
        device: of the result.
    """
    if cap <= 1:
        return None
    positives = torch.tensor(labels, device=device).sum(dim=0)
    return ((len(labels) - positives) / positives.clamp(min=1)).clamp(1.0, cap)
