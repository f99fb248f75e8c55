"""Images decoded once into a memory-mapped array that all trials share, and splits that keep groups whole.

The array lies in a folder named by a digest of what went into it, so that changed images, another size or
another way of resizing never meet an old array. Imports no torch: data are prepared before all else starts.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import struct
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from filelock import FileLock
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from trainables.settings import UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

_METHOD = "square bilinear 1"  # part of the key: change it whenever the same file would give other pixels
_END_BYTES = 32 * 1024
_CHUNK = 256  # images in flight; bounds the memory when disks write slower than the pool decodes
_NAMED = 3  # bad images spelt out in a message
_BAD_FILE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


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
    if not files:
        raise UsageError(f"there are no {title} to read.")
    contents = list(_in_threads(_content, files, f"looking for {title}"))
    folder = Path(cache).expanduser() / _key(files, contents, size, channels)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():  # another process may have built it while this one waited for the lock
                _build(folder, files, contents, size, channels, title)
    decoded = _opened(folder)
    _report_bad(decoded, len(files), bad_images, title)
    return decoded


def read_image(file: Path, size: int, channels: int) -> np.ndarray:
    """One image as `decode_once` would have it: uint8 `[size, size, channels]`.

    Raises:
        UsageError: it is missing or damaged.
    """
    square = _decoded(file, _content(file), size, channels)
    if isinstance(square, str):
        raise UsageError(f"{file} cannot be read: {square}; give an image file.")
    return square.pixels.reshape(size, size, channels)


def split_by_group(groups: Sequence[str], share: float, seed: int) -> np.ndarray:
    """Hold out about `share` of the groups, each with all its rows; either side gets at least one.

    Groups are ranked by a digest of seed and name. So neither the order of rows nor the version of a random
    generator matters, and a group that joins later moves at most one other group across.

    Returns:
        bool `[N]`, true for the rows held out.

    Raises:
        UsageError: fewer than two groups.
    """
    ranked = sorted(set(groups), key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
    if len(ranked) < 2:
        raise UsageError(f"data of {len(ranked)} patient or group cannot be split in two: add a second one.")
    held_out = set(ranked[: min(max(round(share * len(ranked)), 1), len(ranked) - 1)])
    return np.array([group in held_out for group in groups])


class _Content(NamedTuple):
    """A file as the key sees it; `problem` says why it could not be read, or is empty."""

    length: int
    digest: str
    problem: str


class _Square(NamedTuple):
    """A decoded image, uint8 `[size, size]` or `[size, size, 3]`, and its stored width and height."""

    pixels: np.ndarray
    stored: tuple[int, int]


def _content(file: Path) -> _Content:
    # Both ends of a long file suffice: they hold its header and last scan line, and a picture that is
    # compressed again hardly ever keeps its length. Every process needs the key, and 112,120 X-rays read
    # whole cost minutes.
    try:
        with file.open("rb") as stream:
            length = os.fstat(stream.fileno()).st_size
            content = stream.read(_END_BYTES)
            if length > 2 * _END_BYTES:
                stream.seek(-_END_BYTES, os.SEEK_END)
            content += stream.read()
    except OSError as error:
        return _Content(0, "", (error.strerror or type(error).__name__).lower())
    return _Content(length, hashlib.sha256(content).hexdigest(), "")


def _key(files: Sequence[Path], contents: Sequence[_Content], size: int, channels: int) -> str:
    digest = hashlib.sha256(json.dumps([_METHOD, size, channels]).encode())
    for file, content in zip(files, contents, strict=True):
        digest.update(json.dumps([file.name, *content]).encode())
    return digest.hexdigest()[:32]


def _build(
    folder: Path, files: Sequence[Path], contents: Sequence[_Content], size: int, channels: int, title: str
) -> None:
    """Write the folder beside its place and move it there last: that it exists means that it is complete."""

    def decode(item: tuple[Path, _Content]) -> _Square | str:
        return _decoded(*item, size, channels)

    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a build that was interrupted; the lock says nobody is at it
    partial.mkdir()
    kept: list[int] = []
    sizes: list[tuple[int, int]] = []
    bad: list[tuple[str, str]] = []
    with (partial / "pixels.bin").open("wb") as stream:
        squares = _in_threads(decode, list(zip(files, contents, strict=True)), f"decoding {title}")
        for index, square in enumerate(squares):
            if isinstance(square, str):
                bad.append((files[index].name, square))
            else:
                stream.write(square.pixels.tobytes())
                kept.append(index)
                sizes.append(square.stored)
        stream.flush()
        os.fsync(stream.fileno())  # so that after a power cut, too, the folder's existence means what it says
    manifest = {"shape": [len(kept), size, size, channels], "kept": kept, "sizes": sizes, "bad": bad}
    (partial / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    partial.replace(folder)


def _in_threads(work: Callable[[Item], Result], items: Sequence[Item], title: str) -> Iterator[Result]:
    """Results in order. Threads suffice, since Pillow and hashing release the GIL."""
    interval = 0.1 if sys.stderr.isatty() else 60  # a log file gets a line a minute
    with (
        ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool,
        tqdm(total=len(items), desc=title, unit="image", delay=1, mininterval=interval) as bar,
    ):
        for start in range(0, len(items), _CHUNK):
            for result in pool.map(work, items[start : start + _CHUNK]):
                bar.update()
                yield result


def _decoded(file: Path, content: _Content, size: int, channels: int) -> _Square | str:
    """The image as a square, or the reason why there is none."""
    if content.problem:
        return content.problem
    stored_bytes = (
        file.read_bytes()
    )  # not in the try: a disk that fails now is no damaged image, to be remembered as one
    try:
        with Image.open(io.BytesIO(stored_bytes)) as image:
            square = _eight_bits(image).convert("L" if channels == 1 else "RGB")
            square = square.resize((size, size), Image.Resampling.BILINEAR)
            return _Square(np.asarray(square), image.size)
    except UnidentifiedImageError:
        return "no known image format"  # Pillow's own words name an address in memory
    except _BAD_FILE as error:
        return str(error) or type(error).__name__


def _eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey stretched from its own range: a fixed divisor would blacken radiographs of 12 bits in 16."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        raise ValueError("holds values that are not finite")
    return Image.fromarray(np.rint((values - low) * (255 / ((high - low) or 1.0))).astype(np.uint8))


def _opened(folder: Path) -> Decoded:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    shape = tuple(manifest["shape"])
    kept = np.array(manifest["kept"], dtype=np.int64)
    sizes = np.array(manifest["sizes"], dtype=np.int64).reshape(-1, 2)
    bad = tuple((name, reason) for name, reason in manifest["bad"])
    if not len(kept):  # an empty file cannot be mapped
        return Decoded(np.empty(shape, np.uint8), kept, sizes, bad)
    return Decoded(np.memmap(folder / "pixels.bin", np.uint8, mode="r", shape=shape), kept, sizes, bad)


def _report_bad(decoded: Decoded, asked: int, bad_images: str, title: str) -> None:
    if not decoded.bad:
        return
    named = ", ".join(f"{name} ({reason})" for name, reason in decoded.bad[:_NAMED])
    more = ", …" if len(decoded.bad) > _NAMED else ""
    sentence = f"{len(decoded.bad)} of {asked} {title} cannot be read: {named}{more}"
    if not len(decoded.kept):
        raise UsageError(f"{sentence}; repair or restore them.")
    if bad_images == "fatal":
        raise UsageError(f"{sentence}; repair them, or leave them out with data.bad_images=skip.")
    warnings.warn(f"{sentence}; left out.", stacklevel=3)
