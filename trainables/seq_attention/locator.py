"""A trained network as a locator: marked points in pixels in, the next point in pixels and a done signal out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trainables.seq_attention.config import Config
from trainables.seq_attention.letterbox import content_extent, normalise, to_pixels
from trainables.seq_attention.markers import network_input
from trainables.seq_attention.model import Network
from trainables.seq_attention.pairs import PairPredictions


@dataclass(frozen=True)
class NetworkLocator:
    """Locates objects with a network.

    Attributes:
        images: from indices to images uint8 `[b, S, S, 3]`, letterboxed.
        sizes: `[N, 2]`, width and height of all images in pixels.
    """

    net: Network
    config: Config
    images: Callable[[Sequence[int]], np.ndarray]
    sizes: np.ndarray
    device: torch.device

    @torch.no_grad()
    def __call__(self, indices: Sequence[int], marks: Sequence[np.ndarray]) -> PairPredictions:
        """Predict the next object of some images, as every `pairs.Locator`."""
        self.net.eval()
        sizes = self.sizes[list(indices)].astype(np.float64)
        counts = np.array([len(points) for points in marks], dtype=np.int64)
        matrix = np.zeros((len(indices), max(1, int(counts.max())), 2), np.float32)
        for row, (points, size) in enumerate(zip(marks, sizes, strict=True)):
            matrix[row, : len(points)] = normalise(points, size)
        arrays = (self.images(indices), matrix, counts, content_extent(sizes))
        pixels, markers, count, extent = (torch.from_numpy(array).to(self.device) for array in arrays)
        output = self.net(network_input(pixels, markers, count, self.config), count, extent)
        done = torch.sigmoid(output.done.double())
        return PairPredictions(to_pixels(output.location.double().cpu().numpy(), sizes), done.cpu().numpy())
