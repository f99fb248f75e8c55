"""Images of any size letterboxed into a square, and points there and back.

The longer side fills the square; the rest, on the right or below, is padding. A point is (x, y) with x to the right
and y down; 0 is the left or upper edge of the first pixel and W or H the far edge of the last one, as in COCO.
Normalised, the square is −1 to 1 on both axes. Imports no torch.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from trainables.images.cache import Picture
from trainables.images.squares import PILLOW_ERRORS, describe_error, to_eight_bits

METHOD = "fitted bilinear 2"
"""Part of the cache's key: changed whenever the same file would give other pixels."""

PADDING = (124, 116, 104)
"""The mean colour of ImageNet: 0 once pixels are normalised."""


def decode(file: Path, side: int) -> Picture | str:
    """Decode a file to uint8 RGB `[side, side, 3]`, with the size of its image, or return why that is impossible.

    Pixels are those that are stored: an EXIF orientation tag is not applied. Grey images of 16 bits or floats are
    stretched from their own range to 0..255; transparency is dropped.
    """
    content = file.read_bytes()  # not in the try: a disk that fails is no damaged image, to be remembered as one
    try:
        with Image.open(io.BytesIO(content)) as image:
            return Picture(letterbox(np.asarray(to_eight_bits(image).convert("RGB")), side), image.size)
    except PILLOW_ERRORS as error:
        return describe_error(error)


def letterbox(image: np.ndarray, side: int) -> np.ndarray:
    """Fit an image uint8 `[H, W, 3]` into a square of `side` pixels, bilinear and antialiased."""
    height, width = image.shape[:2]
    square = Image.new("RGB", (side, side), PADDING)
    square.paste(Image.fromarray(image).resize(content_size((width, height), side), Image.Resampling.BILINEAR))
    return np.asarray(square)


def content_size(size: Sequence[int], side: int) -> tuple[int, int]:
    """Return the columns and rows of the square that an image of `size` (width, height) fills."""
    factor = side / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def content_extent(size: np.ndarray) -> np.ndarray:
    """Return the share of the square's width and height that images of a size (width, height) `[…, 2]` fill."""
    extent: np.ndarray = (size / np.max(size, axis=-1, keepdims=True)).astype(np.float32)
    return extent


def normalise(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Normalise points `[…, 2]` in pixels of an image of `size` (width, height) `[…, 2]`."""
    return 2 * points / np.max(size, axis=-1, keepdims=True) - 1


def to_pixels(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Convert normalised points to pixels of the image, outside of it to the nearest point inside."""
    pixels: np.ndarray = (points + 1) / 2 * np.max(size, axis=-1, keepdims=True)
    return np.clip(pixels, 0, size)
