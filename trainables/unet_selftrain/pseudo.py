"""Pseudo-labels: what becomes of a network's probabilities when it is to learn from what it is sure of.

In this order, each winning over those before it: everything is ignored; trusted negatives are negative; probabilities
below the lower threshold are negative; those above the upper one are positive; known particles are what they were.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.targets import HALF, IGNORED, POSITIVE, discs

GAP = 0.2  # the thresholds stay at least this far apart


class Thresholds(NamedTuple):
    """Above `pos` a pixel becomes positive, below `neg` negative; `apart` is false where `neg` gave way for the gap."""

    pos: float
    neg: float
    apart: bool


def thresholds(config: Config, iteration: int) -> Thresholds:
    """The thresholds of an iteration, the first being 1.

    `pos_floor` and `neg_ceiling` bound the relaxing alone: a base beyond its bound stays where it is. Where the two
    come closer than `GAP`, `neg` is lowered.
    """
    relaxed = config.threshold_decay * (iteration - 1)
    pos = max(config.base_pos - relaxed, min(config.pos_floor, config.base_pos))
    neg = min(config.base_neg + relaxed, max(config.neg_ceiling, config.base_neg))
    apart = pos - neg >= GAP - 1e-9  # 0.7 - 0.5 is a little less than 0.2
    return Thresholds(pos, neg if apart else max(pos - GAP, 0.0), apart)


def smallest_patch(config: Config, radius: float, cut: Thresholds) -> float:
    """Pixels of the smallest patch that `min_component` lets pass.

    It is a share of what a perfect network would mark: of the disc, or of the part of the Gaussian above `cut.pos`.

    Args:
        config: says the share, and what a target looks like.
        radius: of a particle, in pixels of the map.
        cut: the iteration's thresholds.
    """
    disc = math.pi * (config.target_scale * radius) ** 2
    return config.min_component * (disc if config.target == "disc" else disc * -math.log(cut.pos) / 2)


def merge(
    probabilities: np.ndarray,
    original: np.ndarray,
    far: np.ndarray | None,
    cut: Thresholds,
    config: Config,
    least_area: float,
) -> np.ndarray:
    """The target of the next stage, int8 `[H, W]` in percent, −1 where nobody is sure.

    Connected patches of new positives with fewer than `least_area` pixels do not become positive. Known particles are
    no part of a patch: the rim around one has to be as large as a particle of its own, else particles would grow from
    iteration to iteration, and a neighbour that touches one still passes. New positives are 100 throughout, for
    Gaussians too: a patch lies where the Gaussian is close to 100, and its flanks stay ignored rather than invented.

    Args:
        probabilities: float32 `[H, W]`.
        original: int8 `[H, W]`, the rendered known particles; its negatives count for nothing but in `far`.
        far: bool `[H, W]`, far from all known particles; needed for trust_negatives=far.
        cut: the thresholds.
        config: says which negatives are trusted.
        least_area: in pixels (`smallest_patch`); 1 or less lets all pass.

    Raises:
        ValueError: trust_negatives=far without `far`.
    """
    merged = np.full(original.shape, IGNORED, np.int8)
    if config.trust_negatives == "all":
        merged[...] = 0
    if config.trust_negatives == "far":
        if far is None:  # as an index it would mean everything
            raise ValueError("trust_negatives=far needs to know which pixels are far.")
        merged[far] = 0
    known = original > 0
    merged[probabilities < cut.neg] = 0
    merged[_large_patches((probabilities > cut.pos) & ~known, least_area)] = POSITIVE
    merged[known] = original[known]
    return merged


@dataclass
class Statistics:
    """What an iteration's targets hold, counted over micrographs one by one.

    Attributes:
        pixels: all of them, of which the others are parts; the rest is ignored.
        components: connected patches of new positives.
        new: pixels of new positives, of which `new_true` are in a particle's disc.
        hidden_pixels: of hidden particles' targets, outside the known ones', of which `hidden_positive` are positive.
        hidden: particles within the micrograph, of which `hidden_found` have a positive middle.
    """

    pixels: int = 0
    positive: int = 0
    negative: int = 0
    components: int = 0
    new: int = 0
    new_true: int = 0
    hidden_pixels: int = 0
    hidden_positive: int = 0
    hidden: int = 0
    hidden_found: int = 0

    def add(
        self,
        merged: np.ndarray,
        original: np.ndarray,
        concealed: np.ndarray,
        known: np.ndarray,
        hidden: np.ndarray,
        radius: float,
    ) -> None:
        """Count a micrograph.

        Args:
            merged: int8 `[H, W]`, of `merge`.
            original: int8 `[H, W]`, what it was merged with.
            concealed: int8 `[H, W]`, the rendered hidden particles.
            known: `[n, 2]` centres (x, y) of the particles that training knows, in pixels of the map.
            hidden: `[m, 2]`, of those that it does not know.
            radius: of the discs that count as true.
        """
        positive = merged >= HALF
        new = positive & (original <= 0)
        known_discs, hidden_discs = (discs(merged.shape, centres, radius) for centres in (known, hidden))
        self.pixels += merged.size
        self.positive += int(positive.sum())
        self.negative += int(((merged >= 0) & ~positive).sum())
        self.components += ndimage.label(new)[1]
        self.new += int(new.sum())
        self.new_true += int((new & (known_discs | hidden_discs)).sum())
        wanted = (concealed >= HALF) & (original <= 0)
        self.hidden_pixels += int(wanted.sum())
        self.hidden_positive += int((positive & wanted).sum())
        middles = _middles(hidden, merged.shape)
        self.hidden += len(middles[0])
        self.hidden_found += int(positive[middles].sum())

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def values(self) -> dict[str, float]:
        """Shares, 0 to 1, and the number of new components.

        A share of nothing is 0: precision where nothing was added, the hidden ones' where none is hidden. Precision
        counts every particle that is not annotated as an error.
        """
        return {
            "positive_share": _share(self.positive, self.pixels),
            "negative_share": _share(self.negative, self.pixels),
            "ignored_share": _share(self.pixels - self.positive - self.negative, self.pixels),
            "new_components": float(self.components),
            "new_precision": _share(self.new_true, self.new),
            "hidden_recall": _share(self.hidden_positive, self.hidden_pixels),
            "hidden_found": _share(self.hidden_found, self.hidden),
        }


def _large_patches(new: np.ndarray, least_area: float) -> np.ndarray:
    if least_area <= 1:
        return new
    patches, _ = ndimage.label(new)
    large = np.bincount(patches.ravel()) >= least_area
    large[0] = False  # what is in no patch
    return large[patches]


def _middles(centres: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels that hold the centres, without those beyond the border."""
    columns, rows = np.rint(np.asarray(centres).reshape(-1, 2)).astype(int).T
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows[inside], columns[inside]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
