"""Reading one micrograph: PNG, JPEG, TIFF or MRC, with integers of 8 or 16 bits, or floats."""

from __future__ import annotations

import io
import struct
from functools import partial
from pathlib import Path

import mrcfile
import numpy as np
from PIL import Image

from trainables.images.cache import Picture, decode_file
from trainables.images.squares import DAMAGED, reason
from trainables.unet_selftrain.micrographs import standardised

MRC = (".mrc", ".mrcs")
TIFF = (".tif", ".tiff")
SUFFIXES = (".png", ".jpg", ".jpeg", *TIFF, *MRC)
METHOD = "micrograph z-score 1"
"""For a cache's key: changes whenever the same file gives other pixels."""

_MRC_HEADER, _MRC_EXTENSION = 1024, 92  # bytes of a header, and where it says how many more follow


def read_micrograph(file: Path, downsample: int) -> tuple[np.ndarray, tuple[int, int]]:
    """One file as training would see it: uint8 `[H, W]`, see `Micrographs`; and the stored width and height in pixels.

    Raises:
        UsageError: it is missing, damaged, constant or no single image.
    """
    picture = decode_file(file, partial(decode, downsample=downsample))
    return picture.pixels, picture.stored


def decode(file: Path, downsample: int) -> Picture | str:
    """The same for a cache: the reason instead of an error where the file is no micrograph."""
    try:
        values = _mrc(file) if file.suffix.lower() in MRC else _picture(file)
        return Picture(standardised(values, downsample), (values.shape[1], values.shape[0]))
    except ValueError as error:
        return str(error)


def _mrc(file: Path) -> np.ndarray:
    """`[H, W]` as stored, the first row first. Permissive, because many programs write faulty headers."""
    _check_lengths(file)
    with mrcfile.open(file, mode="r", permissive=True) as mrc:
        values = mrc.data
    if values is None:
        raise ValueError("no MRC file, or one that is cut short")
    if values.ndim > 2 and values.shape[0] > 1:
        raise ValueError(f"holds {values.shape[0]} images: align and sum the frames of a movie first")
    if values.dtype.kind not in "iuf":
        raise ValueError(f"holds {values.dtype} instead of real numbers")
    return np.asarray(values).reshape(values.shape[-2:])


def _check_lengths(file: Path) -> None:
    """Of another file's bytes, mrcfile would take lengths of gigabytes, and first make room for them."""
    with file.open("rb") as stream:
        header = stream.read(_MRC_HEADER)
    for order in "<>":
        if len(header) == _MRC_HEADER:
            columns, rows, images = struct.unpack_from(f"{order}3i", header)
            (extension,) = struct.unpack_from(f"{order}i", header, _MRC_EXTENSION)
            needed = _MRC_HEADER + extension + columns * rows * images // 2  # half a byte is the smallest pixel
            if min(columns, rows, images) > 0 and extension >= 0 and needed <= file.stat().st_size:
                return
    raise ValueError("no MRC file, or one that is cut short")


def _picture(file: Path) -> np.ndarray:
    """`[H, W]` as stored; colours become grey."""
    content = file.read_bytes()  # not in the try: a disk that fails is no damaged image, to be remembered as one
    try:
        with Image.open(io.BytesIO(content)) as image:
            if (frames := getattr(image, "n_frames", 1)) > 1:
                raise ValueError(f"holds {frames} images: align and sum the frames of a movie first")
            deep = image.mode in ("L", "I", "F") or image.mode.startswith("I;16")
            return np.asarray(image if deep else image.convert("L"))
    except DAMAGED as error:
        raise ValueError(reason(error)) from error
