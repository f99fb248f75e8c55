"""Ridge regression on the pixels of thumbnails: what a classification needs no network for. Imports no torch."""

from __future__ import annotations

import warnings

import numpy as np

from trainables.images.image_set import ImageSet
from trainables.progress import track
from trainables.settings import Notice

SIDE = 32
"""Side of a thumbnail in pixels."""

MAX_EXAMPLES = 2000
"""Training images, evenly chosen, to which it is fitted at most: more than the pixels of a grey thumbnail."""

PENALTIES = np.geomspace(1e-1, 1e5, 13)
_CHUNK = 256  # images that are shrunk together


def predict_scores(train: ImageSet, targets: np.ndarray, split: ImageSet, *, own_penalties: bool) -> np.ndarray:
    """Fit a ridge regression to training thumbnails and return its scores of a split's images, float64 `[N, K]`.

    Penalties are those of the least error when each training image is left out in turn, which has a closed form.

    Args:
        train: training images.
        targets: of these, `[M, K]`.
        split: images to score.
        own_penalties: whether each column has a penalty of its own; otherwise all share one.

    Source: Hoerl and Kennard 1970; Golub, Heath and Wahba 1979 (leaving one out).
    """
    from sklearn.linear_model import RidgeCV  # noqa: PLC0415  (its import takes seconds)

    rows = np.linspace(0, len(train) - 1, min(len(train), MAX_EXAMPLES)).astype(np.int64)
    if len(rows) < len(train):
        warnings.warn(
            f"ridge on {SIDE} × {SIDE} pixels is fitted to {len(rows):,} of {len(train):,} training images.",
            Notice,
            stacklevel=2,
        )
    model = RidgeCV(PENALTIES, alpha_per_target=own_penalties)
    model.fit(make_thumbnails(train, rows), targets[rows].astype(np.float64))
    scores: np.ndarray = model.predict(make_thumbnails(split, np.arange(len(split)))).reshape(len(split), -1)
    return scores


def make_thumbnails(images: ImageSet, rows: np.ndarray) -> np.ndarray:
    """Shrink images: the pixels of their thumbnails, 0 to 1, float64 `[n, 32 · 32 · C]`."""
    chunks = np.array_split(rows, max(1, -(-len(rows) // _CHUNK)))
    return np.concatenate([_shrink(images.batch(chunk)[0]) for chunk in track(chunks, "thumbnails", "batch")])


def _shrink(pixels: np.ndarray) -> np.ndarray:
    """Average the pixels `[n, S, S, C]` under each pixel of a thumbnail, those that it touches alike."""
    size = pixels.shape[1]
    weights = np.zeros((SIDE, size))
    for cell in range(SIDE):
        weights[cell, cell * size // SIDE : -(-(cell + 1) * size // SIDE)] = 1
    weights /= weights.sum(axis=1, keepdims=True)
    small = np.einsum("yh,nhwc,xw->nyxc", weights, pixels / 255.0, weights, optimize=True)
    return small.reshape(len(pixels), -1)
