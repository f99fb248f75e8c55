"""A trained network as something that can be asked: points in pixels in, points in pixels and a probability out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trainables.seq_attention import sampling
from trainables.seq_attention.config import Config
from trainables.seq_attention.framing import extent, in_pixels, normalised
from trainables.seq_attention.markers import seen
from trainables.seq_attention.model import Network
from trainables.seq_attention.pairs import Answers


@dataclass(frozen=True)
class Asker:
    """Asks a network about images.

    Attributes:
        images: uint8 `[N, S, S, 3]`, fitted.
        sizes: `[N, 2]`, width and height of the images in pixels.
        shift: added to the done signal's logit (`done_shift`).
    """

    net: Network
    config: Config
    images: np.ndarray
    sizes: np.ndarray
    shift: float
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
            torch.from_numpy(each).to(self.device) for each in (self.images[list(places)], points, count, extent(sizes))
        )
        found = self.net(seen(pixels, objects, many, self.config), many, share)
        done = torch.sigmoid(found.done.double() + self.shift)
        return Answers(in_pixels(found.location.double().cpu().numpy(), sizes), done.cpu().numpy())


def done_shift(counts: np.ndarray, config: Config) -> float:
    """What turns a logit of done as training balances it into one as a roll-out meets it: k = 0, 1, …, N once each.

    The difference of the log-odds of done: for images of N objects, the share 1 / (N + 1) in a roll-out.

    Args:
        counts: `[N]`, objects of the training images.
        config: how pairs are drawn and weighed.

    Source: Elkan 2001, The foundations of cost-sensitive learning, theorem 2.
    """
    share = float(np.mean(1 / (counts + 1)))
    return math.log(share / (1 - share)) - math.log(sampling.done_odds(counts, config))
