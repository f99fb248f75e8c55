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
from trainables.images.squares import PILLOW_ERRORS, describe_error
from trainables.unet_selftrain.downsampling import standardise

MRC = (".mrc", ".mrcs")
TIFF = (".tif", ".tiff")
SUFFIXES = (".png", ".jpg", ".jpeg", *TIFF, *MRC)
METHOD = "micrograph z-score 1"
"""Part of a cache's key; it changes whenever the same file gives other pixels."""

_MRC_HEADER, _MRC_EXTENSION = 1024, 92  # bytes of a header, and the position in it of the extension's length


def read_micrograph(file: Path, downsample: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Read one file as training would: uint8 `[H, W]`, see `Micrographs`, and the stored width and height in pixels.

    Raises:
        UsageError: the file is missing, damaged, constant or no single image.
    """
    picture = decode_file(file, partial(decode, downsample=downsample))
    return picture.pixels, picture.size


def decode(file: Path, downsample: int) -> Picture | str:
    """Decode one file for a cache; where it is no micrograph, return the reason instead of raising an error."""
    try:
        values = _read_mrc(file) if file.suffix.lower() in MRC else _read_image(file)
        return Picture(standardise(values, downsample), (values.shape[1], values.shape[0]))
    except ValueError as error:
        return str(error)


def _read_mrc(file: Path) -> np.ndarray:
    """Read `[H, W]` as stored, the first row first. Permissive, because many programs write faulty headers."""
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
    """Check that the file is as long as its header says.

    mrcfile takes the header's lengths on trust: for bytes that are no MRC file it may allocate gigabytes first.
    """
    with file.open("rb") as stream:
        header = stream.read(_MRC_HEADER)
    for order in "<>":
        if len(header) == _MRC_HEADER:
            columns, rows, images = struct.unpack_from(f"{order}3i", header)
            (extension,) = struct.unpack_from(f"{order}i", header, _MRC_EXTENSION)
            length = _MRC_HEADER + extension + columns * rows * images // 2  # half a byte is the smallest pixel
            if min(columns, rows, images) > 0 and extension >= 0 and length <= file.stat().st_size:
                return
    raise ValueError("no MRC file, or one that is cut short")


def _read_image(file: Path) -> np.ndarray:
    """Read `[H, W]` as stored; colours become grey."""
    content = file.read_bytes()  # outside of the try: a failing disk must not be remembered as a damaged image
    try:
        with Image.open(io.BytesIO(content)) as image:
            if (frames := getattr(image, "n_frames", 1)) > 1:
                raise ValueError(f"holds {frames} images: align and sum the frames of a movie first")
            grey = image.mode in ("L", "I", "F") or image.mode.startswith("I;16")
            return np.asarray(image if grey else image.convert("L"))
    except PILLOW_ERRORS as error:
        raise ValueError(describe_error(error)) from error
