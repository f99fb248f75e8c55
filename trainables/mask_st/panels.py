"""Sheets of pictures: what the mask keeps and drops of a few fixed validation examples, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw

from trainables.images.sheets import bar, headed, magnified, rgb
from trainables.mask_st.examples import Examples
from trainables.mask_st.views import blurred

COUNT = 6
SIDE = 192  # pixels of a picture, at least
TITLES = ("image", "boxes", "probability", "mask", "keep", "drop")
RED = (230, 60, 60)


def chosen(examples: Examples) -> np.ndarray:
    """Rows of the examples to show: those with boxes first, then those with a finding, in their own order."""
    boxed = np.array([len(boxes) > 0 for boxes in examples.boxes])
    positive = examples.labels.sum(axis=1) > 0
    return np.argsort(-(2 * boxed + positive), kind="stable")[:COUNT]


def sheet(
    examples: Examples, row: int, scores: Sequence[np.ndarray], saliency: np.ndarray, mask: np.ndarray, reference: str
) -> np.ndarray:
    """One example's six pictures in two rows, uint8 `[H, W, 3]`, headed by name, labels and their probabilities.

    Args:
        row: of the example.
        scores: probabilities `[K]` on the full, keep and drop image.
        saliency: `[h, w]`, 0 to 1; black to white.
        mask: bool `[h, w]`.
        reference: what fills masked-out pixels: `mean` or `blur`.
    """
    image = examples.batch([row])[0][0]
    size = len(image)
    fill = _fill(image, examples.mean, reference)
    pixels = _enlarged(mask, size)[..., None]
    pictures = [
        image,
        _with_boxes(image, examples.boxes[row]),
        _enlarged((saliency * 255).round().astype(np.uint8), size),
        _enlarged(mask.astype(np.uint8) * 255, size),
        np.where(pixels, image, fill),
        np.where(pixels, fill, image),
    ]
    factor = -(-SIDE // size)
    width = factor * size
    cells = [headed(magnified(picture, factor), title) for title, picture in zip(TITLES, pictures, strict=True)]
    rows = [np.concatenate(cells[first : first + 3], axis=1) for first in (0, 3)]
    return np.concatenate([bar(3 * width, _caption(examples, row, scores)), *rows])


def _fill(image: np.ndarray, mean: float, reference: str) -> np.ndarray:
    """uint8 `[S, S, C]`."""
    if reference == "mean":
        return np.full_like(image, round(255 * mean))
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    return blurred(pixels)[0].permute(1, 2, 0).round().byte().numpy()


def _caption(examples: Examples, row: int, scores: Sequence[np.ndarray]) -> str:
    """Each present class with its probability on the full, keep and drop image."""
    present = np.flatnonzero(examples.labels[row])
    said = [f"{examples.classes[k]} {' / '.join(f'{score[k]:.2f}' for score in scores)}" for k in present]
    return f"{examples.names[row]}   {', '.join(said) or 'no finding'}   (full / keep / drop)"


def _with_boxes(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(rgb(image))
    draw = ImageDraw.Draw(picture)
    for left, top, right, bottom in boxes:
        draw.rectangle((left, top, right - 1, bottom - 1), outline=RED)
    return np.asarray(picture)


def _enlarged(cells: np.ndarray, size: int) -> np.ndarray:
    """`[h, w]` as `[size, size]`: every pixel has its cell's value."""
    places = np.arange(size) * len(cells) // size
    return cells[places][:, places]
