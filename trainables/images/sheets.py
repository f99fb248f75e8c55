"""Small parts of which variants put their panels together: lines of text, enlarged cells, RGB."""

from __future__ import annotations

from collections.abc import Sequence

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


def grid(pictures: Sequence[np.ndarray], title: str, columns: int) -> np.ndarray:
    """RGB pictures in rows of `columns` under a line of text, black beside smaller ones: uint8 `[H, W, 3]`."""
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    filled = [_filled(each, height, width) for each in pictures]
    rows = [np.concatenate(filled[first : first + columns], axis=1) for first in range(0, len(filled), columns)]
    return stacked([bar(rows[0].shape[1], title), *rows])


def stacked(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """RGB pictures one below the other, black to the right of narrower ones: uint8 `[H, W, 3]`."""
    width = max(picture.shape[1] for picture in pictures)
    return np.concatenate([_filled(each, each.shape[0], width) for each in pictures])


def _filled(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The picture, with black below and to the right."""
    padding = [(0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)]
    return np.pad(picture, padding)
