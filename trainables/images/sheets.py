"""Parts of panels: lines of text, magnified cells, grids of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

HEADER = 16


def text_bar(width: int, text: str) -> np.ndarray:
    """Draw a line of text, white on black, uint8 `[16, width, 3]`."""
    strip = Image.new("RGB", (width, HEADER))
    ImageDraw.Draw(strip).text((4, 2), text)
    return np.asarray(strip)


def add_header(picture: np.ndarray, text: str) -> np.ndarray:
    """Put a line of text over an RGB picture, and a dark line on its right: uint8 `[16 + h, w, 3]`."""
    copy = picture.copy()
    copy[:, -1] = 0
    return np.concatenate([text_bar(picture.shape[1], text), copy])


def to_rgb(picture: np.ndarray) -> np.ndarray:
    """Convert `[h, w]`, `[h, w, 1]` or `[h, w, 3]` to RGB, uint8 `[h, w, 3]`."""
    picture = picture[..., None] if picture.ndim == 2 else picture
    return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))


def magnify(picture: np.ndarray, factor: int) -> np.ndarray:
    """Convert to RGB with every pixel a square of `factor` pixels."""
    return to_rgb(picture).repeat(factor, axis=0).repeat(factor, axis=1)


def arrange_grid(pictures: Sequence[np.ndarray], title: str, columns: int) -> np.ndarray:
    """Arrange RGB pictures in rows of `columns` under a line of text, padded with black: uint8 `[H, W, 3]`."""
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    cells = [_pad(picture, height, width) for picture in pictures]
    rows = [np.concatenate(cells[first : first + columns], axis=1) for first in range(0, len(cells), columns)]
    return stack([text_bar(rows[0].shape[1], title), *rows])


def stack(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Stack RGB pictures one below the other, padded with black on the right: uint8 `[H, W, 3]`."""
    width = max(picture.shape[1] for picture in pictures)
    return np.concatenate([_pad(picture, picture.shape[0], width) for picture in pictures])


def _pad(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pad a picture with black below and to the right."""
    padding = [(0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)]
    return np.pad(picture, padding)
