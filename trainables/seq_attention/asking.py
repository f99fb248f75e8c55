"""A trained network as something that can be asked: points in pixels in, points in pixels and a done signal out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trainables.seq_attention.config import Config
from trainables.seq_attention.framing import extent, in_pixels, normalised
from trainables.seq_attention.markers import seen
from trainables.seq_attention.model import Network
from trainables.seq_attention.pairs import Answers


@dataclass(frozen=True)
class Asker:
    """Asks a network about images.

    Attributes:
        images: from places to images uint8 `[b, S, S, 3]`, fitted.
        sizes: `[N, 2]`, width and height of all images in pixels.
    """

    net: Network
    config: Config
    images: Callable[[Sequence[int]], np.ndarray]
    sizes: np.ndarray
    device: torch.device

    @torch.no_grad()
    def __call__(self, places: Sequence[int], marked: Sequence[np.ndarray]) -> Answers:
        """As `pairs.Ask`."""
        self.net.eval()
        sizes = self.sizes[list(places)].astype(np.float64)
        count = np.array([len(each) for each in marked], dtype=np.int64)
        points = np.zeros((len(places), max(1, int(count.max())), 2), np.float32)
        for row, (each, size) in enumerate(zip(marked, sizes, strict=True)):
            points[row, : len(each)] = normalised(each, size)
        pixels, objects, many, share = (
            torch.from_numpy(each).to(self.device) for each in (self.images(places), points, count, extent(sizes))
        )
        found = self.net(seen(pixels, objects, many, self.config), many, share)
        done = torch.sigmoid(found.done.double())
        return Answers(in_pixels(found.location.double().cpu().numpy(), sizes), done.cpu().numpy())
