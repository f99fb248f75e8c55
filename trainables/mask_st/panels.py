"""Strips of pictures: what the mask keeps and drops of a few fixed validation examples, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw

from trainables.mask_st.data import Examples
from trainables.mask_st.views import blurred

COUNT = 8
SIDE = 192  # pixels of a picture, at least
HEADER = 16
COLUMNS = ("image", "boxes", "probability", "mask", "keep", "drop")
RED = (230, 60, 60)


def chosen(examples: Examples) -> np.ndarray:
    """Rows of the examples to show: those with boxes first, then those with a finding, in their own order."""
    boxed = np.array([len(boxes) > 0 for boxes in examples.boxes])
    positive = examples.labels.sum(axis=1) > 0
    return np.argsort(-(2 * boxed + positive), kind="stable")[:COUNT]


def strip(
    examples: Examples, row: int, scores: Sequence[np.ndarray], saliency: np.ndarray, mask: np.ndarray, reference: str
) -> np.ndarray:
    """One example's strip, uint8 `[H, W, 3]`, headed by name, labels and their probabilities.

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
    body = np.concatenate([_shown(picture, factor) for picture in pictures], axis=1)
    return np.concatenate([_header(body.shape[1], _caption(examples, row, scores)), body])


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
    return f"{examples.names[row]}   {', '.join(said) or 'no finding'}"


def _header(width: int, caption: str) -> np.ndarray:
    """Two lines of text, white on black: the caption, and what the columns are."""
    header = Image.new("RGB", (width, 2 * HEADER))
    draw = ImageDraw.Draw(header)
    draw.text((4, 2), caption + "   (full / keep / drop)")
    for index, column in enumerate(COLUMNS):
        draw.text((4 + index * width // len(COLUMNS), HEADER), column)
    return np.asarray(header)


def _with_boxes(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(_rgb(image))
    draw = ImageDraw.Draw(picture)
    for left, top, right, bottom in boxes:
        draw.rectangle((left, top, right - 1, bottom - 1), outline=RED)
    return np.asarray(picture)


def _shown(picture: np.ndarray, factor: int) -> np.ndarray:
    """RGB, every pixel as a square of `factor`, with a dark line on the right."""
    large = _rgb(picture).repeat(factor, axis=0).repeat(factor, axis=1)
    large[:, -1] = 0
    return large


def _rgb(picture: np.ndarray) -> np.ndarray:
    """uint8 `[h, w, 3]` of `[h, w]`, `[h, w, 1]` or `[h, w, 3]`."""
    picture = picture[..., None] if picture.ndim == 2 else picture
    return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))


def _enlarged(cells: np.ndarray, size: int) -> np.ndarray:
    """`[h, w]` as `[size, size]`: every pixel has its cell's value."""
    places = np.arange(size) * len(cells) // size
    return cells[places][:, places]
