"""Synthetic images: glyphs on a noisy background; which glyphs, and where, is known."""

from __future__ import annotations

from typing import get_args

import numpy as np

from trainables.contract import Split
from trainables.mask_st.config import Config, Data
from trainables.mask_st.split import Examples

_GLYPHS = ("ring", "cross", "disc", "stripes")
_GLYPH_SHARE = 0.3  # probability of each glyph in an image


def load(config: Config, data: Data, split: Split) -> Examples:
    """Generate one split: each class draws its own glyph somewhere in an image, with probability 0.3."""
    size, count = config.image_size, data.train_size if split == "train" else data.val_size
    rng = np.random.default_rng([data.split_seed, get_args(Split).index(split)])
    side = max(5, round(size / 6))
    present = rng.random((count, len(_GLYPHS))) < _GLYPH_SHARE
    corners = rng.integers(0, size - side + 1, (count, len(_GLYPHS), 2))
    images = _draw_background(rng, count, size)
    for column, glyph in enumerate(_draw_glyphs(side)):
        rows = np.flatnonzero(present[:, column])
        strength = rng.uniform(0.15, 0.3, (len(rows), 1, 1)).astype(np.float32)
        x, y = corners[rows, column].T[:, :, None, None]
        # All images with the glyph at once: the three index arrays broadcast to [images, side, side].
        images[rows[:, None, None], y + np.arange(side)[:, None], x + np.arange(side)] += strength * glyph
    boxes = np.concatenate([corners, corners + side], axis=2).astype(np.float32)
    names = [f"{split}_{row:06d}" for row in range(count)]
    return Examples(
        images=(images.clip(0, 1) * 255).astype(np.uint8)[..., None],
        rows=np.arange(count),
        labels=present.astype(np.float32),
        boxes=[image_boxes[glyphs] for image_boxes, glyphs in zip(boxes, present, strict=True)],
        findings=[tuple(np.array(_GLYPHS)[glyphs].tolist()) for glyphs in present],
        classes=_GLYPHS,
        names=names,
        patients=names,
        calibration=np.zeros(count, dtype=bool),
    )


def _draw_background(rng: np.random.Generator, count: int, size: int, knots: int = 5) -> np.ndarray:
    """Draw float32 `[count, size, size]` around 0.4: a coarse random grid, interpolated linearly, and noise."""
    positions = np.linspace(0, knots - 1, size)
    weights = np.maximum(1 - np.abs(positions[:, None] - np.arange(knots)), 0).astype(np.float32)
    coarse = rng.uniform(0.25, 0.55, (count, knots, knots)).astype(np.float32)
    noise = rng.standard_normal((count, size, size), dtype=np.float32)
    background: np.ndarray = weights @ coarse @ weights.T + np.float32(0.06) * noise
    return background


def _draw_glyphs(side: int) -> list[np.ndarray]:
    """Draw every glyph, float32 `[side, side]` from 0 to 1; they reach the borders of their box."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.hypot(x, y)
    shapes = [
        (radius > 0.55) & (radius <= 1.05),
        (abs(x) < 0.25) | (abs(y) < 0.25),
        radius <= 1.05,
        np.arange(side)[:, None] // round(side / 6) % 2 == np.zeros(side),
    ]
    return [shape.astype(np.float32) for shape in shapes]
