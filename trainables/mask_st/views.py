"""The views of an image that the classifier sees: all of it, what a mask keeps, and what the mask drops."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.mask_st.sampling import to_pixels

BLUR_SHARE = 10 / 224  # the blur's standard deviation, of the image's side


def three_views(images: Tensor, mask: Tensor, reference: str) -> Tensor:
    """Make full, keep and drop images, one batch `[3b, C, S, S]`: x, `m·x + (1 − m)·r` and `(1 − m)·x + m·r`.

    Args:
        images: `[b, C, S, S]`, normalised, so that 0 is the data set's mean.
        mask: `[b, 1, h, w]`, in cells.
        reference: what fills the rest: `mean` (r = 0), or `blur` (r is the image without its detail).
    """
    fill = blur(images) if reference == "blur" else torch.zeros_like(images)
    content = to_pixels(mask, images.shape[-1]) * (images - fill)  # m·(x − r): keep is r plus it, drop is x minus it
    return torch.cat([images, fill + content, images - content])


def blur(images: Tensor) -> Tensor:
    """Blur images with a Gaussian, separably, with mirrored edges."""
    sigma = BLUR_SHARE * images.shape[-1]
    reach = min(math.ceil(3 * sigma), images.shape[-1] - 1)
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    rows = F.conv2d(F.pad(images, (reach,) * 4, mode="reflect"), kernel, groups=images.shape[1])
    return F.conv2d(rows, kernel.mT, groups=images.shape[1])
