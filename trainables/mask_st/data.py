"""Images, labels and boxes of mask_st: synthetic pictures, or X-rays (`nih`).

Both are grey and stored with one channel; a model that takes three repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import get_args

import numpy as np

from trainables.contract import Split
from trainables.images.squares import split_by_group
from trainables.mask_st import nih
from trainables.mask_st.config import Config, Data
from trainables.mask_st.examples import Examples

_GLYPHS = ("ring", "cross", "disc", "stripes")
_GLYPH_SHARE = 0.3  # probability of each glyph in an image


def load(config: Config, data: Data, split: Split) -> Examples:
    """One split at the config's image size, made once per process; only `test` reads the test list's images.

    Raises:
        UsageError: data that are missing, unreadable or at odds with themselves.
    """
    return _loaded(config.image_size, data, split)


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits into the cache, with a progress bar; the same for all trials of that image size.

    Raises:
        UsageError: data that are missing, unreadable or at odds with themselves.
    """
    for split in splits:
        load(config, data, split)


@lru_cache(maxsize=8)
def _loaded(size: int, data: Data, split: Split) -> Examples:
    examples = _synthetic(size, data, split) if data.source == "synthetic" else nih.load(size, data, split)
    if split == "val":
        chosen = split_by_group(examples.patients, data.calibration_share, data.split_seed)
        examples = replace(examples, calibration=chosen)
    return examples.standardise() if split == "train" else examples.standardise_like(_loaded(size, data, "train"))


def _synthetic(size: int, data: Data, split: Split) -> Examples:
    """Noise on a smooth background; each class draws its own glyph somewhere, with probability 0.3."""
    count = data.train_size if split == "train" else data.val_size
    rng = np.random.default_rng([data.split_seed, get_args(Split).index(split)])
    side = max(5, round(size / 6))
    present = rng.random((count, len(_GLYPHS))) < _GLYPH_SHARE
    corners = rng.integers(0, size - side + 1, (count, len(_GLYPHS), 2))
    canvas = _background(rng, count, size)
    for column, glyph in enumerate(_glyphs(side)):
        rows = np.flatnonzero(present[:, column])
        strength = rng.uniform(0.15, 0.3, (len(rows), 1, 1)).astype(np.float32)
        x, y = corners[rows, column].T[:, :, None, None]
        canvas[rows[:, None, None], y + np.arange(side)[:, None], x + np.arange(side)] += strength * glyph
    boxes = np.concatenate([corners, corners + side], axis=2).astype(np.float32)
    names = [f"{split}_{row:06d}" for row in range(count)]
    return Examples(
        images=(canvas.clip(0, 1) * 255).astype(np.uint8)[..., None],
        rows=np.arange(count),
        labels=present.astype(np.float32),
        boxes=[each[shown] for each, shown in zip(boxes, present, strict=True)],
        findings=[tuple(np.array(_GLYPHS)[shown].tolist()) for shown in present],
        classes=_GLYPHS,
        names=names,
        patients=names,
        calibration=np.zeros(count, dtype=bool),
    )


def _background(rng: np.random.Generator, count: int, size: int, knots: int = 5) -> np.ndarray:
    """float32 `[count, size, size]` around 0.4: a coarse random grid, interpolated linearly, and noise."""
    places = np.linspace(0, knots - 1, size)
    weights = np.maximum(1 - np.abs(places[:, None] - np.arange(knots)), 0).astype(np.float32)
    coarse = rng.uniform(0.25, 0.55, (count, knots, knots)).astype(np.float32)
    noise = rng.standard_normal((count, size, size), dtype=np.float32)
    background: np.ndarray = weights @ coarse @ weights.T + np.float32(0.06) * noise
    return background


def _glyphs(side: int) -> list[np.ndarray]:
    """float32 `[side, side]` from 0 to 1 per glyph; they reach the borders of their box."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.hypot(x, y)
    shapes = [
        (radius > 0.55) & (radius <= 1.05),
        (abs(x) < 0.25) | (abs(y) < 0.25),
        radius <= 1.05,
        np.arange(side)[:, None] // round(side / 6) % 2 == np.zeros(side),
    ]
    return [shape.astype(np.float32) for shape in shapes]
