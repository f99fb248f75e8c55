"""Images as squares of one size, decoded once for all trials, and splits that keep groups whole.

`trainables.images.cache` keeps the decoded squares. Imports no torch: data are prepared before all else starts.
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

DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
"""What Pillow raises when the bytes that it is given are no whole image."""

_METHOD = "square bilinear 1"  # part of the key: change it whenever the same file would give other pixels


@dataclass(frozen=True)
class Decoded:
    """The readable ones of a sequence of images, all of one size.

    Attributes:
        pixels: uint8 `[N, size, size, channels]`, memory-mapped and read-only.
        kept: int64 `[N]`, increasing; `pixels[i]` is `files[kept[i]]`.
        sizes: int64 `[N, 2]`, width and height of the image as stored, in pixels; boxes are scaled by them.
        bad: name and reason of every image left out.
    """

    pixels: np.ndarray
    kept: np.ndarray
    sizes: np.ndarray
    bad: tuple[tuple[str, str], ...]


def decode_once(
    files: Sequence[Path],
    size: int,
    *,
    channels: Literal[1, 3],
    cache: Path | str,
    bad_images: Literal["fatal", "skip"],
    title: str,
) -> Decoded:
    """The images as squares, from the cache; where it lacks them, decoded into it first, with a progress bar.

    Several processes may ask at once: one builds, the others wait. An interrupted build leaves nothing that
    is taken for a finished one. Resizing is bilinear and antialiased, and does not keep the aspect ratio.
    Grey images of 16 bits or floats are stretched from their own range to 0..255.

    Args:
        files: the images, in the order of the rows; their folder is not part of the cache's key.
        size: side of the squares in pixels.
        channels: 1 for grey, 3 for RGB.
        cache: folder of all decoded images; made if need be.
        bad_images: `fatal` stops at missing or damaged images; `skip` leaves them out and warns.
        title: what the images are, in words (`chest X-rays`).

    Raises:
        UsageError: `fatal` and an image is missing or damaged, or no image is left.
    """
    stored = decode_files(
        files,
        partial(_square, size=size, channels=channels),
        method=(_METHOD, size, channels),
        cache=cache,
        bad_images=bad_images,
        title=title,
    )
    pixels = stored.pixels.reshape(len(stored), size, size, channels)
    return Decoded(pixels, stored.kept, stored.sizes, stored.bad)


def read_image(file: Path, size: int, channels: int) -> np.ndarray:
    """One image as `decode_once` would have it: uint8 `[size, size, channels]`.

    Raises:
        UsageError: it is missing or damaged.
    """
    picture = decode_file(file, partial(_square, size=size, channels=channels))
    return picture.pixels.reshape(size, size, channels)


def square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """An image as a square, uint8 `[size, size]`, or `[size, size, 3]` with three channels.

    Raises:
        ValueError: values that are not finite.
    """
    made = eight_bits(image).convert("L" if channels == 1 else "RGB")
    return np.asarray(made.resize((size, size), Image.Resampling.BILINEAR))


def reason(error: Exception) -> str:
    """What to say of one of `DAMAGED`."""
    if isinstance(error, UnidentifiedImageError):
        return "no known image format"  # Pillow's own words name an address in memory
    return str(error) or type(error).__name__


def eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, 32 bits or floats stretched from its own range to 0..255; any other image as it is.

    Pillow's own conversion cuts such values off at 255, and a fixed divisor would blacken radiographs of 12 bits in 16.
    An image of one value becomes black.

    Raises:
        ValueError: values that are not finite; one of `DAMAGED`.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        raise ValueError("holds values that are not finite")
    return Image.fromarray(np.rint((values - low) * (255 / ((high - low) or 1.0))).astype(np.uint8))


def rank(seed: int, name: str) -> bytes:
    """Orders names at random: neither the order of files nor the version of a random generator matters."""
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def split_by_group(groups: Sequence[str], share: float, seed: int) -> np.ndarray:
    """Hold out about `share` of the groups, each with all its rows; either side gets at least one.

    Groups are ranked by a digest of seed and name. So neither the order of rows nor the version of a random
    generator matters, and a group that joins later moves at most one other group across.

    Returns:
        bool `[N]`, true for the rows held out.

    Raises:
        UsageError: fewer than two groups.
    """
    ranked = sorted(set(groups), key=lambda group: rank(seed, group))
    if len(ranked) < 2:
        raise UsageError(f"data of {len(ranked)} patient or group cannot be split in two: add a second one.")
    held_out = set(ranked[: min(max(round(share * len(ranked)), 1), len(ranked) - 1)])
    return np.array([group in held_out for group in groups])


def _square(file: Path, size: int, channels: int) -> Picture | str:
    """The image as a square, or the reason why there is none."""
    content = file.read_bytes()  # not in the try: a disk that fails is no damaged image, to be remembered as one
    try:
        with Image.open(io.BytesIO(content)) as image:
            return Picture(square(image, size, channels), image.size)
    except DAMAGED as error:
        return reason(error)
