"""The versions of an image that the classifier sees: whole, what a mask keeps of it, and what the mask leaves."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.mask_st.sampling import to_pixels

BLUR_SHARE = 10 / 224  # the blur's standard deviation, of the image's side


def three_views(images: Tensor, mask: Tensor, reference: str) -> Tensor:
    """Full, keep and drop images in one batch `[3b, C, S, S]`: x, `m·x + (1 − m)·r` and `(1 − m)·x + m·r`.

    Args:
        images: `[b, C, S, S]`, normalised, so that 0 is the data set's mean.
        mask: `[b, 1, h, w]`, in cells.
        reference: what fills the rest: `mean` (r = 0), or `blur` (r is the image without its detail).
    """
    rest = blurred(images) if reference == "blur" else torch.zeros_like(images)
    kept = to_pixels(mask, images.shape[-1]) * (images - rest)
    return torch.cat([images, rest + kept, images - kept])


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
