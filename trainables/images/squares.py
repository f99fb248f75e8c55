"""Images as squares of one size, decoded once for all trials, and random splits that keep groups whole.

Imports no torch: data are prepared before all else starts.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from trainables.images.cache import Picture, decode_file, decode_files
from trainables.settings import UsageError

PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
"""Errors that Pillow raises for bytes that are no complete image."""

_METHOD = "square bilinear 1"  # part of the key: change it whenever the same file would give other pixels


@dataclass(frozen=True)
class SquareStore:
    """The readable images of a sequence of files, as squares of one size.

    Attributes:
        pixels: uint8 `[N, size, size, channels]`, memory-mapped and read-only.
        indices: int64 `[N]`, increasing; `pixels[i]` was decoded from `files[indices[i]]`.
        sizes: int64 `[N, 2]`, width and height of the image in the file, in pixels; boxes are scaled by them.
        bad: name and reason of every image that was left out.
    """

    pixels: np.ndarray
    indices: np.ndarray
    sizes: np.ndarray
    bad: tuple[tuple[str, str], ...]


def decode_squares(
    files: Sequence[Path],
    size: int,
    *,
    channels: Literal[1, 3],
    cache: Path | str,
    bad_images: Literal["fatal", "skip"],
    title: str,
) -> SquareStore:
    """Return images as squares from the cache, decoding them first where it lacks them, with a progress bar.

    Resizing is bilinear and antialiased, and does not keep the aspect ratio. Grey images of 16 bits or floats are
    stretched from their own range to 0..255.

    Args:
        files: the images, in the order of the rows; their folder is not part of the cache's key.
        size: side of the squares in pixels.
        channels: 1 for grey, 3 for RGB.
        cache: folder of all decoded images; made if need be.
        bad_images: `fatal` stops at missing or damaged images; `skip` leaves them out and warns.
        title: the kind of image in words (`chest X-rays`).

    Raises:
        UsageError: `fatal` and an image is missing or damaged, or no image is left.
    """
    store = decode_files(
        files,
        partial(_square, size=size, channels=channels),
        method=(_METHOD, size, channels),
        cache=cache,
        bad_images=bad_images,
        title=title,
    )
    pixels = store.pixels.reshape(len(store), size, size, channels)
    return SquareStore(pixels, store.indices, store.sizes, store.bad)


def read_image(file: Path, size: int, channels: int) -> np.ndarray:
    """Read one image as `decode_squares` does: uint8 `[size, size, channels]`.

    Raises:
        UsageError: it is missing or damaged.
    """
    picture = decode_file(file, partial(_square, size=size, channels=channels))
    return picture.pixels.reshape(size, size, channels)


def to_square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """Resize an image to a square, uint8 `[size, size]`, or `[size, size, 3]` with three channels.

    Raises:
        ValueError: values that are not finite.
    """
    converted = to_eight_bits(image).convert("L" if channels == 1 else "RGB")
    return np.asarray(converted.resize((size, size), Image.Resampling.BILINEAR))


def describe_error(error: Exception) -> str:
    """Describe one of `PILLOW_ERRORS` for people."""
    if isinstance(error, UnidentifiedImageError):
        return "no known image format"  # Pillow's own words name an address in memory
    return str(error) or type(error).__name__


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Stretch grey of 16 bits, 32 bits or floats from its own range to 0..255; other images stay as they are.

    Pillow's own conversion cuts such values off at 255, and a fixed divisor would blacken radiographs of 12 bits in 16.
    An image of one value becomes black.

    Raises:
        ValueError: values that are not finite; one of `PILLOW_ERRORS`.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        raise ValueError("holds values that are not finite")
    return Image.fromarray(np.rint((values - low) * (255 / ((high - low) or 1.0))).astype(np.uint8))


def rank_key(seed: int, name: str) -> bytes:
    """Return a sort key of a name that orders names at random, whatever their order or the generator's version."""
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def split_by_group(groups: Sequence[str], share: float, seed: int) -> np.ndarray:
    """Hold out about `share` of the groups, each with all its rows; either side gets at least one.

    Groups are ranked by a digest of seed and name. So neither the order of rows nor the version of a random generator
    matters, and a group that is added later moves at most one other group to the other side.

    Returns:
        bool `[N]`, true for the rows held out.

    Raises:
        UsageError: fewer than two groups.
    """
    ranking = sorted(set(groups), key=lambda group: rank_key(seed, group))
    if len(ranking) < 2:
        raise UsageError(f"data of {len(ranking)} patient or group cannot be split in two: add a second one.")
    held_out = set(ranking[: min(max(round(share * len(ranking)), 1), len(ranking) - 1)])
    return np.array([group in held_out for group in groups])


def _square(file: Path, size: int, channels: int) -> Picture | str:
    """Decode a file to a square, or to the reason why it cannot."""
    content = file.read_bytes()  # outside of the try: a failing disk must not be cached as a damaged image
    try:
        with Image.open(io.BytesIO(content)) as image:
            return Picture(to_square(image, size, channels), image.size)
    except PILLOW_ERRORS as error:
        return describe_error(error)
