"""The keep and drop versions of an image: what a mask keeps of it, and what it leaves."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

BLUR_SHARE = 10 / 224  # the blur's standard deviation, of the image's side


def keep_and_drop(images: Tensor, mask: Tensor, reference: str) -> tuple[Tensor, Tensor]:
    """`m·x + (1 − m)·r` and `(1 − m)·x + m·r`.

    Args:
        images: `[B, C, S, S]`, normalised, so that 0 is the data set's mean.
        mask: `[B, 1, S, S]`.
        reference: what fills the rest: `mean` (r = 0), or `blur` (r is the image without its detail).
    """
    if reference == "mean":
        keep = mask * images
        return keep, images - keep
    rest = blurred(images)
    detail = mask * (images - rest)
    return rest + detail, images - detail


def blurred(images: Tensor) -> Tensor:
    """The images through a Gaussian, separably, with mirrored edges."""
    sigma = BLUR_SHARE * images.shape[-1]
    reach = min(math.ceil(3 * sigma), images.shape[-1] - 1)
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    across = F.conv2d(padded, kernel, groups=images.shape[1])
    return F.conv2d(across, kernel.mT, groups=images.shape[1])
