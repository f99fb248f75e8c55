"""What a classifier says of the images of a split, each process doing its share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from trainables.images.augment import to_device
from trainables.noise_mask.labelled import Labelled
from trainables.processes import Processes

_AT_ONCE = 256  # images

Masks = Callable[[Tensor, int], Tensor]
"""From images `[b, C, S, S]` and the place of the first one in its split to a mask for each, `[b, 1, S, S]`."""


def probabilities(
    net: nn.Module, pictures: Labelled, device: torch.device, processes: Processes, masks: Masks | None
) -> np.ndarray:
    """float64 `[N, K]` of all images of a split, the same in every process; the network is left in evaluation mode.

    Args:
        net: the classifier.
        pictures: the split.
        device: of the classifier.
        processes: that share the work; all of them must call this.
        masks: None for images as they are.
    """
    net.eval()
    own = processes.rows(torch.arange(len(pictures)))
    parts = []
    for rows in own.split(_AT_ONCE):
        images, _ = to_device(pictures, rows, device)
        parts.append(said(net, images if masks is None else images * masks(images, int(rows[0]))))
    return processes.gather_rows(torch.cat(parts), len(pictures)).cpu().numpy()


@torch.no_grad()
def said(net: nn.Module, images: Tensor) -> Tensor:
    """Probabilities float64 `[b, K]` of images `[b, C, S, S]`."""
    found: Tensor = net(images).double().softmax(dim=1)
    return found
