"""Files decoded once into one memory-mapped file that all trials share, whatever the shapes of the arrays.

It lies in a folder named by a digest of what went into it, so that changed files or another way of decoding them
never meet old pixels. Imports no torch: data are prepared before all else starts.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from trainables.images.same_content import Content, content
from trainables.settings import Notice, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

_FORMAT = 2  # of the folder; part of the key, so that a folder of another format is never opened
_IN_FLIGHT = 4  # files per thread; bounds the memory when disks write slower than the pool decodes
_NAMED = 3  # bad files spelt out in a message


class Picture(NamedTuple):
    """A decoded file: uint8 pixels `[H, W]` or `[H, W, C]`, and width and height of the image in the file."""

    pixels: np.ndarray
    stored: tuple[int, int]


Decode = Callable[[Path], Picture | str]
"""Gives a picture, or the reason why there is none; may raise OSError, which is a disk's failure and not remembered."""


@dataclass(frozen=True, eq=False)
class Stored:
    """The readable ones of a sequence of files; `stored[i]` is the i-th of them, a read-only uint8 view.

    Attributes:
        key: names the pixels: the same files, decoded in the same way, have the same key.
        pixels: uint8 `[sum of all sizes]`, memory-mapped and read-only: one array after the other.
        shapes: their shapes.
        kept: int64 `[N]`, increasing; `stored[i]` is of `files[kept[i]]`.
        sizes: int64 `[N, 2]`, width and height of the images in the files, in pixels.
        bad: name and reason of every file left out.
    """

    key: str
    pixels: np.ndarray
    shapes: tuple[tuple[int, ...], ...]
    kept: np.ndarray
    sizes: np.ndarray
    bad: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, place: int) -> np.ndarray:
        place = range(len(self))[place]  # which counts from the end where negative
        return self.pixels[self._ends[place] : self._ends[place + 1]].reshape(self.shapes[place])

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self.__getitem__, range(len(self)))

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum([0, *(math.prod(shape) for shape in self.shapes)], dtype=np.int64)


def decode_files(
    files: Sequence[Path],
    decode: Decode,
    *,
    method: Sequence[Any],
    cache: Path | str,
    bad_images: str,
    title: str,
) -> Stored:
    """The files' arrays from the cache; where it lacks them, decoded into it first, in threads, with a progress bar.

    Several processes may ask at once: one builds, the others wait. An interrupted build leaves nothing that
    is taken for a finished one.

    Args:
        files: the images, in the order of the arrays; their folder is not part of the cache's key, their names and
            contents are.
        decode: what makes a picture of a file; runs in threads.
        method: all that decides the pixels besides the files, as JSON can hold it: a name, a version, sizes.
        cache: folder of all decoded files; made if need be.
        bad_images: `fatal` stops at missing or damaged files; `skip` leaves them out and warns.
        title: what the images are, in words (`chest X-rays`).

    Raises:
        UsageError: `fatal` and a file is missing or damaged, or none is left.
    """
    if not files:
        raise UsageError(f"there are no {title} to read.")
    contents = list(in_threads(content, files, f"looking for {title}"))
    folder = built_once(
        Path(cache).expanduser() / _key(files, contents, method),
        lambda partial: _build(partial, files, contents, decode, title),
    )
    stored = _opened(folder)
    _report_bad(stored, len(files), bad_images, title)
    return stored


def decode_file(file: Path, decode: Decode) -> Picture:
    """One file, past the cache.

    Raises:
        UsageError: it is missing or damaged.
    """
    picture = content(file).problem or decode(file)
    if isinstance(picture, str):
        raise UsageError(f"{file} cannot be read: {picture}; give an image file.")
    return picture


def built_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """The folder, complete; where it is not there, `build` fills another one, which is moved to its place last.

    Several processes may ask at once: one builds, the others wait. That the folder exists means that it is complete.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():  # another process may have built it while this one waited for the lock
                partial = folder.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)  # of a build that was interrupted: nobody else is at it
                partial.mkdir()
                build(partial)
                partial.replace(folder)
    return folder


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], title: str) -> Iterator[Result]:
    """Results in order, with a progress bar. Threads suffice where the work releases the GIL: Pillow, NumPy, torch."""
    interval = 0.1 if sys.stderr.isatty() else 60  # a log file gets a line a minute
    threads = min(32, os.cpu_count() or 1)
    waiting: deque[Future[Result]] = deque()
    with (
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=len(items), desc=title, unit="image", delay=1, mininterval=interval) as bar,
    ):
        for place in range(len(items) + _IN_FLIGHT * threads):
            if place < len(items):
                waiting.append(pool.submit(work, items[place]))
            if waiting and place >= _IN_FLIGHT * threads:
                bar.update()
                yield waiting.popleft().result()


def _key(files: Sequence[Path], contents: Sequence[Content], method: Sequence[Any]) -> str:
    digest = hashlib.sha256(json.dumps([_FORMAT, *method]).encode())
    for file, each in zip(files, contents, strict=True):
        digest.update(json.dumps([file.name, each.length, each.digest, each.problem]).encode())
    return digest.hexdigest()[:32]


def _build(folder: Path, files: Sequence[Path], contents: Sequence[Content], decode: Decode, title: str) -> None:
    def picture_of(item: tuple[Path, Content]) -> Picture | str:
        return item[1].problem or decode(item[0])

    manifest: dict[str, list[Any]] = {"kept": [], "shapes": [], "sizes": [], "bad": []}
    with (folder / "pixels.bin").open("wb") as stream:
        pictures = in_threads(picture_of, list(zip(files, contents, strict=True)), f"decoding {title}")
        for index, picture in enumerate(pictures):
            if isinstance(picture, str):
                manifest["bad"].append((files[index].name, picture))
                continue
            stream.write(picture.pixels.tobytes())
            manifest["kept"].append(index)
            manifest["shapes"].append(picture.pixels.shape)
            manifest["sizes"].append(picture.stored)
        stream.flush()
        os.fsync(stream.fileno())  # so that after a power cut, too, the folder's existence means what it says
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _opened(folder: Path) -> Stored:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    shapes = tuple(tuple(shape) for shape in manifest["shapes"])
    # an empty file cannot be mapped
    pixels = np.memmap(folder / "pixels.bin", np.uint8, mode="r") if shapes else np.empty(0, np.uint8)
    return Stored(
        key=folder.name,
        pixels=pixels,
        shapes=shapes,
        kept=np.array(manifest["kept"], dtype=np.int64),
        sizes=np.array(manifest["sizes"], dtype=np.int64).reshape(-1, 2),
        bad=tuple((name, reason) for name, reason in manifest["bad"]),
    )


def _report_bad(stored: Stored, asked: int, bad_images: str, title: str) -> None:
    if not stored.bad:
        return
    named = ", ".join(f"{name} ({reason})" for name, reason in stored.bad[:_NAMED])
    more = ", …" if len(stored.bad) > _NAMED else ""
    sentence = f"{len(stored.bad)} of {asked} {title} cannot be read: {named}{more}"
    if not len(stored.kept):
        raise UsageError(f"{sentence}; repair or restore them.")
    if bad_images == "fatal":
        raise UsageError(f"{sentence}; repair them, or leave them out with data.bad_images=skip.")
    warnings.warn(f"{sentence}; left out.", Notice, stacklevel=2)
