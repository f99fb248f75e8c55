"""A cache of decoded images: files are decoded once into one memory-mapped file that all trials share.

Its folder is named by a digest of files and decoding method, so that changed files or another method never meet old
pixels. Imports no torch: data are prepared before all else starts.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
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

from trainables.images.same_content import Content, identify_content
from trainables.progress import ProgressBar
from trainables.settings import Notice, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

_FORMAT = 2  # of the folder; part of the key, so that a folder of another format is never opened
_IN_FLIGHT = 4  # files per thread; bounds the memory when disks write slower than the pool decodes
_MAX_NAMES = 3  # bad files that a message names


class Picture(NamedTuple):
    """A decoded file.

    Attributes:
        pixels: uint8 `[H, W]` or `[H, W, C]`.
        size: width and height of the image in the file, in pixels.
    """

    pixels: np.ndarray
    size: tuple[int, int]


Decode = Callable[[Path], Picture | str]
"""Decodes a file to a picture, or to the reason why it cannot; an OSError that it raises is not cached as a reason."""


@dataclass(frozen=True, eq=False)
class ImageStore:
    """The readable images of a sequence of files; `store[i]` is the i-th of them, a read-only uint8 view.

    Attributes:
        key: digest of files and decoding method; the same key means the same pixels.
        pixels: uint8 `[sum of all sizes]`, memory-mapped and read-only: one array after the other.
        shapes: of the N arrays.
        indices: int64 `[N]`, increasing; `store[i]` was decoded from `files[indices[i]]`.
        sizes: int64 `[N, 2]`, width and height of the images in the files, in pixels.
        bad: name and reason of every file that was left out.
    """

    key: str
    pixels: np.ndarray
    shapes: tuple[tuple[int, ...], ...]
    indices: np.ndarray
    sizes: np.ndarray
    bad: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> np.ndarray:
        index = range(len(self))[index]  # a negative one counts from the end
        return self.pixels[self._ends[index] : self._ends[index + 1]].reshape(self.shapes[index])

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
) -> ImageStore:
    """Return the files' arrays from the cache, decoding them first where it lacks them, with a progress bar.

    Several processes may call this at once: one decodes, the others wait. An interrupted build is not mistaken for a
    complete one.

    Args:
        files: the images, in the order of the arrays. The cache's key depends on their names and contents, not on
            their folder.
        decode: decodes a file; runs in threads.
        method: all that decides the pixels besides the files, as JSON can hold it: a name, a version, sizes.
        cache: folder of all decoded files; created if it does not exist.
        bad_images: `fatal` stops at missing or damaged files; `skip` leaves them out and warns.
        title: the kind of image in words (`chest X-rays`).

    Raises:
        UsageError: `fatal` and a file is missing or damaged, or none is left.
    """
    if not files:
        raise UsageError(f"there are no {title} to read.")
    contents = list(map_in_threads(identify_content, files, f"looking for {title}"))
    folder = build_once(
        Path(cache).expanduser() / _key(files, contents, method),
        lambda partial: _build(partial, files, contents, decode, title),
    )
    store = _open_store(folder)
    _report_bad(store, len(files), bad_images, title)
    return store


def decode_file(file: Path, decode: Decode) -> Picture:
    """Decode one file without the cache.

    Raises:
        UsageError: it is missing or damaged.
    """
    picture = identify_content(file).problem or decode(file)
    if isinstance(picture, str):
        raise UsageError(f"{file} cannot be read: {picture}; give an image file.")
    return picture


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Return the folder, building it first where it does not exist; that it exists means that it is complete.

    `build` fills a partial folder, which is renamed last. Several processes may call this at once: one builds, the
    others wait.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():  # another process may have built it while this one waited for the lock
                partial = folder.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)  # of an interrupted build: the lock is held here
                partial.mkdir()
                build(partial)
                partial.replace(folder)
    return folder


def map_in_threads(work: Callable[[Item], Result], items: Sequence[Item], title: str) -> Iterator[Result]:
    """Yield results in order, with a progress bar; threads suffice where the work releases the GIL."""
    threads = min(32, os.cpu_count() or 1)
    futures: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool, ProgressBar(len(items), title) as bar:
        for index in range(len(items) + _IN_FLIGHT * threads):
            if index < len(items):
                futures.append(pool.submit(work, items[index]))
            if futures and index >= _IN_FLIGHT * threads:
                bar.update()
                yield futures.popleft().result()


def _key(files: Sequence[Path], contents: Sequence[Content], method: Sequence[Any]) -> str:
    digest = hashlib.sha256(json.dumps([_FORMAT, *method]).encode())
    for file, content in zip(files, contents, strict=True):
        digest.update(json.dumps([file.name, content.length, content.digest, content.problem]).encode())
    return digest.hexdigest()[:32]


def _build(folder: Path, files: Sequence[Path], contents: Sequence[Content], decode: Decode, title: str) -> None:
    def decode_item(item: tuple[Path, Content]) -> Picture | str:
        return item[1].problem or decode(item[0])

    manifest: dict[str, list[Any]] = {"kept": [], "shapes": [], "sizes": [], "bad": []}
    with (folder / "pixels.bin").open("wb") as stream:
        pictures = map_in_threads(decode_item, list(zip(files, contents, strict=True)), f"decoding {title}")
        for index, picture in enumerate(pictures):
            if isinstance(picture, str):
                manifest["bad"].append((files[index].name, picture))
                continue
            stream.write(picture.pixels.tobytes())
            manifest["kept"].append(index)
            manifest["shapes"].append(picture.pixels.shape)
            manifest["sizes"].append(picture.size)
        stream.flush()
        os.fsync(stream.fileno())  # so that an existing folder is complete after a power cut, too
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _open_store(folder: Path) -> ImageStore:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    shapes = tuple(tuple(shape) for shape in manifest["shapes"])
    # an empty file cannot be mapped
    pixels = np.memmap(folder / "pixels.bin", np.uint8, mode="r") if shapes else np.empty(0, np.uint8)
    return ImageStore(
        key=folder.name,
        pixels=pixels,
        shapes=shapes,
        indices=np.array(manifest["kept"], dtype=np.int64),
        sizes=np.array(manifest["sizes"], dtype=np.int64).reshape(-1, 2),
        bad=tuple((name, reason) for name, reason in manifest["bad"]),
    )


def _report_bad(store: ImageStore, total: int, bad_images: str, title: str) -> None:
    if not store.bad:
        return
    names = ", ".join(f"{name} ({reason})" for name, reason in store.bad[:_MAX_NAMES])
    rest = ", …" if len(store.bad) > _MAX_NAMES else ""
    sentence = f"{len(store.bad)} of {total} {title} cannot be read: {names}{rest}"
    if not len(store.indices):
        raise UsageError(f"{sentence}; repair or restore them.")
    if bad_images == "fatal":
        raise UsageError(f"{sentence}; repair them, or leave them out with data.bad_images=skip.")
    warnings.warn(f"{sentence}; left out.", Notice, stacklevel=2)
