"""An image file at the size that the network sees. Imports no torch."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from trainables.entropy_reg.config import CELL
from trainables.entropy_reg.split import Shape
from trainables.images.cache import Picture
from trainables.images.squares import PILLOW_ERRORS, describe_error, to_eight_bits

METHOD = "rgb bilinear to a shape 1"
"""Names this decoding in the keys of caches: change it whenever the same file would give other pixels."""


def decode_image(file: Path, size: int, shape: str) -> Picture | str:
    """Decode an image at the network's size, or return the reason why that is impossible."""
    content = file.read_bytes()  # not in the try: a disk that fails is no damaged image, to be remembered as one
    try:
        with Image.open(io.BytesIO(content)) as image:
            height, width = network_shape(image.size, size, shape)
            picture = to_eight_bits(image).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
            return Picture(np.asarray(picture), image.size)
    except PILLOW_ERRORS as error:
        return describe_error(error)


def network_shape(file_size: tuple[int, int], size: int, shape: str) -> Shape:
    """Return the shape at which the network sees an image.

    Args:
        file_size: width and height of the image in its file.
        size: the longer side.
        shape: `stretch` to 4:3 or 3:4; `keep` the aspect ratio, to a sixteenth.

    Returns:
        Height and width, multiples of 4.
    """
    width, height = file_size
    aspect = 0.75 if shape == "stretch" else max(1, round(16 * min(file_size) / max(file_size))) / 16
    shorter = max(CELL, math.floor(size * aspect / CELL + 0.5) * CELL)
    return (shorter, size) if width >= height else (size, shorter)
