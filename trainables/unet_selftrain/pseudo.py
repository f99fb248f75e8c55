"""Pseudo-labels: targets from a network's own probabilities, where it is sure, and from the known particles.

These rules apply in turn, a later one winning over an earlier one: everything is ignored; trusted negatives are
negative; probabilities below the lower threshold are negative; those above the upper one are positive; known particles
keep their targets.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.targets import HALF, IGNORE, POSITIVE, discs

GAP = 0.2  # the thresholds stay at least this far apart


class Thresholds(NamedTuple):
    """Above `pos` a pixel becomes positive, below `neg` negative; `has_gap` is false where `neg` was lowered for it."""

    pos: float
    neg: float
    has_gap: bool


def relax_thresholds(config: Config, iteration: int) -> Thresholds:
    """Relax the thresholds for an iteration, the first being 1.

    `pos_floor` and `neg_ceiling` bound the relaxing alone: a base beyond its bound stays where it is. Where the two
    come closer than `GAP`, `neg` is lowered.
    """
    change = config.threshold_decay * (iteration - 1)
    pos = max(config.base_pos - change, min(config.pos_floor, config.base_pos))
    neg = min(config.base_neg + change, max(config.neg_ceiling, config.base_neg))
    has_gap = pos - neg >= GAP - 1e-9  # 0.7 - 0.5 is a little less than 0.2
    return Thresholds(pos, neg if has_gap else max(pos - GAP, 0.0), has_gap)


def min_patch_area(config: Config, radius: float, thresholds: Thresholds) -> float:
    """Return the pixels of the smallest patch that `min_component` lets pass.

    It is a share of a perfect network's patch: of the disc, or of the part of the Gaussian above `thresholds.pos`.

    Args:
        config: the share, and the shape of a particle's target.
        radius: of a particle, in pixels of the map.
        thresholds: of the iteration.
    """
    disc = math.pi * (config.target_scale * radius) ** 2
    # exp(−d²/2σ²) > pos within d² = −2σ²·log(pos), and σ is half of the disc's radius
    area = disc if config.target == "disc" else disc * -math.log(thresholds.pos) / 2
    return config.min_component * area


def merge(
    probabilities: np.ndarray,
    known_target: np.ndarray,
    far: np.ndarray | None,
    thresholds: Thresholds,
    config: Config,
    min_area: float,
) -> np.ndarray:
    """Merge probabilities and known particles into the next stage's target: int8 `[H, W]` in percent, −1 if unsure.

    Connected patches of new positives with fewer than `min_area` pixels do not become positive. Known particles are
    no part of a patch: the rim around one has to be as large as a particle of its own, else particles would grow from
    iteration to iteration, and a neighbour that touches one still passes. New positives are 100 throughout, for
    Gaussians too: a patch lies where the Gaussian is close to 100, and its flanks stay ignored rather than invented.

    Args:
        probabilities: float32 `[H, W]`.
        known_target: int8 `[H, W]`, the rendered known particles; its negatives count for nothing but in `far`.
        far: bool `[H, W]`, far from all known particles; needed for trust_negatives=far.
        thresholds: of the iteration.
        config: which negatives are trusted.
        min_area: in pixels (`min_patch_area`); 1 or less lets all pass.

    Raises:
        ValueError: trust_negatives=far without `far`.
    """
    target = np.full(known_target.shape, IGNORE, np.int8)
    if config.trust_negatives == "all":
        target[...] = 0
    if config.trust_negatives == "far":
        if far is None:  # as an index, None would select everything
            raise ValueError("trust_negatives=far needs to know which pixels are far.")
        target[far] = 0
    known_mask = known_target > 0
    target[probabilities < thresholds.neg] = 0
    target[_large_patches((probabilities > thresholds.pos) & ~known_mask, min_area)] = POSITIVE
    target[known_mask] = known_target[known_mask]
    return target


@dataclass
class Statistics:
    """Counts of an iteration's targets, added up over micrographs.

    Attributes:
        pixels: all pixels.
        positive: pixels that are positive.
        negative: pixels that are negative; the others are ignored.
        components: connected patches of new positives.
        new: pixels of new positives.
        new_true: those of them in a particle's disc.
        hidden_pixels: pixels of hidden particles' targets, outside the known ones' targets.
        hidden_positive: those of them that are positive.
        hidden_particles: hidden particles within the micrograph.
        hidden_hits: those of them with a positive centre.
    """

    pixels: int = 0
    positive: int = 0
    negative: int = 0
    components: int = 0
    new: int = 0
    new_true: int = 0
    hidden_pixels: int = 0
    hidden_positive: int = 0
    hidden_particles: int = 0
    hidden_hits: int = 0

    def add(
        self,
        target: np.ndarray,
        known_target: np.ndarray,
        hidden_target: np.ndarray,
        known_centres: np.ndarray,
        hidden_centres: np.ndarray,
        radius: float,
    ) -> None:
        """Count a micrograph.

        Args:
            target: int8 `[H, W]`, of `merge`.
            known_target: int8 `[H, W]`, the rendered known particles.
            hidden_target: int8 `[H, W]`, the rendered hidden particles.
            known_centres: `[n, 2]`, (x, y) of the particles that training knows, in pixels of the map.
            hidden_centres: `[m, 2]`, of those that it does not know.
            radius: of the discs that count as true.
        """
        positive = target >= HALF
        new = positive & (known_target <= 0)
        known_discs = discs(target.shape, known_centres, radius)
        hidden_discs = discs(target.shape, hidden_centres, radius)
        self.pixels += target.size
        self.positive += int(positive.sum())
        self.negative += int(((target >= 0) & ~positive).sum())
        self.components += ndimage.label(new)[1]
        self.new += int(new.sum())
        self.new_true += int((new & (known_discs | hidden_discs)).sum())
        hidden_pixels = (hidden_target >= HALF) & (known_target <= 0)
        self.hidden_pixels += int(hidden_pixels.sum())
        self.hidden_positive += int((positive & hidden_pixels).sum())
        pixels = _centre_pixels(hidden_centres, target.shape)
        self.hidden_particles += len(pixels[0])
        self.hidden_hits += int(positive[pixels].sum())

    def __add__(self, statistics: Statistics) -> Statistics:
        return Statistics(*(sum(counts) for counts in zip(astuple(self), astuple(statistics), strict=True)))

    def metrics(self) -> dict[str, float]:
        """Compute shares, 0 to 1, and the number of new components.

        A share of nothing is 0: precision where nothing was added, recall where no particle is hidden. For precision,
        a particle that nobody annotated is an error.
        """
        return {
            "positive_share": _share(self.positive, self.pixels),
            "negative_share": _share(self.negative, self.pixels),
            "ignored_share": _share(self.pixels - self.positive - self.negative, self.pixels),
            "new_components": float(self.components),
            "new_precision": _share(self.new_true, self.new),
            "hidden_recall": _share(self.hidden_positive, self.hidden_pixels),
            "hidden_found": _share(self.hidden_hits, self.hidden_particles),
        }


def _large_patches(new: np.ndarray, min_area: float) -> np.ndarray:
    if min_area <= 1:
        return new
    patches, _ = ndimage.label(new)
    large = np.bincount(patches.ravel()) >= min_area
    large[0] = False  # pixels of no patch
    return large[patches]


def _centre_pixels(centres: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pixels that hold the centres, without those beyond the border."""
    columns, rows = np.rint(np.asarray(centres).reshape(-1, 2)).astype(int).T
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows[inside], columns[inside]


def _share(count: int, total: int) -> float:
    return count / total if total else 0.0
