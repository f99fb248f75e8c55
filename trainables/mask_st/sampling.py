"""From the generator's logits to the mask that multiplies the image, and the temperature that sharpens it.

Masks live on the generator's grid of cells, `[B, 1, h, w]`; `to_pixels` enlarges them. All of it is computed in
float32, also under bf16 autocast: in bf16 the uniform draws hit 0 and 1, and whole groups of logits tie.

Source: binary concrete and its logistic noise, Maddison et al. 2017 (sec. 3.2, app. B) and Jang et al. 2017; the
straight-through gradient, Bengio et al. 2013 (sec. 4).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.mask_st.config import Config

EPS = 1e-6  # uniform draws stay this far from 0 and 1, so that their logarithms are finite


class Mask(NamedTuple):
    """A sampled mask.

    Attributes:
        value: `[B, 1, h, w]`, what multiplies the image: 0 or 1 where it is hard; carries the gradient of `soft`.
        soft: `[B, 1, h, w]`, the relaxed sample in (0, 1).
    """

    value: Tensor
    soft: Tensor


def sample(logits: Tensor, noise: Tensor | float, temperature: float, *, hard: bool, top_k: int | None) -> Mask:
    """Draw masks `m = p + (h − p)`, where `p = σ((logits + noise) / temperature)` and the bracket has no gradient.

    Args:
        logits: `[B, 1, h, w]`.
        noise: of the same shape (`draw_noise`), or 0 for the deterministic mask.
        temperature: of the relaxation.
        hard: forward the binary `h`; else the soft `p`.
        top_k: project: `h` keeps exactly so many cells of each image, by rank; None: `h` is `p ≥ 0.5`.
    """
    noisy = logits.float() + noise
    soft = torch.sigmoid(noisy / temperature)
    if not hard:
        return Mask(soft, soft)
    binary = binarise(noisy, top_k)
    return Mask(soft + (binary - soft).detach(), soft)


def binarise(scores: Tensor, top_k: int | None) -> Tensor:
    """Turn scores in logits into 0/1 masks `[B, 1, h, w]`: each image's `top_k` highest cells, or the scores ≥ 0."""
    if top_k is None:
        return (scores >= 0).float()
    # By rank and not by comparison with the k-th value: on ties a comparison keeps more than k. Logits and not
    # probabilities, because at low temperature many of those saturate at exactly 1.
    flat = scores.flatten(1)
    indices = flat.topk(top_k, dim=1).indices
    return torch.zeros_like(flat, dtype=torch.float32).scatter_(1, indices, 1.0).view_as(scores)


def projection_size(keep_ratio: float, cells: int) -> int:
    """Return the number of cells that the projection keeps."""
    return max(1, round(keep_ratio * cells))


def draw_noise(kind: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw noise for the logits, on the generator's device.

    `logistic` gives P(on) = σ(logit). `gumbel_literal` is the published code's single Gumbel draw, which gives
    P(on) = 1 − exp(−exp(logit)), 63 % at a logit of 0: for ablation only. `none` is zeros.
    """
    if kind == "none":
        return torch.zeros(shape, device=generator.device)
    uniform = torch.rand(shape, generator=generator, device=generator.device).clamp(EPS, 1 - EPS)
    if kind == "gumbel_literal":
        return -torch.log(-torch.log(uniform))
    return torch.log(uniform) - torch.log1p(-uniform)


def to_pixels(mask: Tensor, size: int) -> Tensor:
    """Enlarge `[B, 1, h, w]` to `[B, 1, size, size]` without new values (nearest), so that 0/1 stays 0/1."""
    return mask if mask.shape[-1] == size else F.interpolate(mask, size=(size, size), mode="nearest")


def temperature(config: Config, epoch: int) -> float:
    """Compute the temperature of an epoch (from 0), a function of the full budget `config.epochs`.

    Geometric from `temperature` to `temperature_min`, which it reaches after `floor_fraction` of the run; or, with
    `temperature_decay`, multiplied by that each epoch until the floor: 0.7 · 0.98^e is still 0.48 after 20 epochs.
    """
    start, floor = config.temperature, config.temperature_min
    if config.temperature_decay is not None:
        return max(floor, start * config.temperature_decay**epoch)
    last = config.floor_fraction * (config.epochs - 1)
    share = epoch / last if epoch < last else float(epoch > 0)
    return start * (floor / start) ** share
