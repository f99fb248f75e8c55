"""Small parts of which variants put their panels together: lines of text, enlarged cells, RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

HEADER = 16


def bar(width: int, text: str) -> np.ndarray:
    """A line of text, white on black, uint8 `[16, width, 3]`."""
    strip = Image.new("RGB", (width, HEADER))
    ImageDraw.Draw(strip).text((4, 2), text)
    return np.asarray(strip)


def headed(picture: np.ndarray, text: str) -> np.ndarray:
    """An RGB picture under a line of text, with a dark line on its right: uint8 `[16 + h, w, 3]`."""
    framed = picture.copy()
    framed[:, -1] = 0
    return np.concatenate([bar(picture.shape[1], text), framed])


def rgb(picture: np.ndarray) -> np.ndarray:
    """uint8 `[h, w, 3]` of `[h, w]`, `[h, w, 1]` or `[h, w, 3]`."""
    picture = picture[..., None] if picture.ndim == 2 else picture
    return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))


def magnified(picture: np.ndarray, factor: int) -> np.ndarray:
    """RGB, every pixel as a square of `factor`."""
    return rgb(picture).repeat(factor, axis=0).repeat(factor, axis=1)
