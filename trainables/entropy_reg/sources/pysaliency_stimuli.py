"""The images of a data set that pysaliency has written: files beside it, or arrays in it, written once as PNG."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock
from PIL import Image
from tqdm import tqdm

from trainables.entropy_reg.sources.hdf5 import UNREADABLE, array, check_as_many, kind_of, text
from trainables.files import replace_file
from trainables.settings import UsageError, abbreviate


class Stimulus(NamedTuple):
    """An image, its width and height. `file` is None for an array, whose pixels the HDF5 file has under `key`."""

    name: str
    key: str
    file: Path | None
    size: tuple[int, int]


def stimuli_of(source: Any) -> list[Stimulus]:
    """The images of an open `stimuli.hdf5`, in its order.

    Raises:
        UsageError: it holds something else, or is at odds with itself.
    """
    kind = kind_of(source)
    if kind not in ("FileStimuli", "Stimuli"):
        raise UsageError(f"{source.filename} holds '{kind}': give what pysaliency writes of FileStimuli or Stimuli.")
    return _file_stimuli(source) if kind == "FileStimuli" else _array_stimuli(source)


def _file_stimuli(source: Any) -> list[Stimulus]:
    """Named by their file, without its folder where no two have the same name."""
    given = [text(each) for each in array(source, "filenames", 1, "SO")]
    whole = [PurePosixPath(each.replace("\\", "/")).as_posix() for each in given]
    if repeated := sorted(each for each in set(whole) if whole.count(each) > 1):
        raise UsageError(f"{source.filename} names {abbreviate(repeated)} twice: put the fixations of an image together.")
    short = [PurePosixPath(each).name for each in whole]
    names = short if len(set(short)) == len(short) else whole
    sizes, root = _sizes(source, len(names)), Path(source.filename).parent
    return [Stimulus(name, "", root / file, size) for name, file, size in zip(names, whole, sizes, strict=True)]


def _sizes(source: Any, many: int) -> list[tuple[int, int]]:
    """Width and height of each stimulus; the file has height, width and perhaps channels."""
    try:
        sizes = [(int(shape[1]), int(shape[0])) for shape in source["shapes"][()]]
    except (*UNREADABLE, IndexError) as error:
        raise UsageError(f"{source.filename} lacks 'shapes', or it is broken: write it anew.") from error
    check_as_many(source, {"filenames": many, "shapes": len(sizes)})
    if wrong := [size for size in sizes if min(size) < 1]:
        raise UsageError(f"{source.filename} has an image of {wrong[0][0]}×{wrong[0][1]} pixels: write it anew.")
    return sizes


def _array_stimuli(source: Any) -> list[Stimulus]:
    many = int(source.attrs.get("size", 0))
    digits = len(str(many))
    found = []
    for number in range(many):
        array = source.get(str(number))
        shape: tuple[int, ...] = getattr(array, "shape", ())
        kind = getattr(array, "dtype", None)
        if kind != np.uint8 or len(shape) not in (2, 3) or 0 in shape or (*shape, 1)[2] not in (1, 3, 4):
            raise UsageError(
                f"{source.filename} has {kind} {list(shape)} as stimulus {number}: images are uint8, height × width, "
                "alone or with 1, 3 or 4 channels."
            )
        found.append(Stimulus(f"{number:0{digits}d}.png", str(number), None, (shape[1], shape[0])))
    return found


def files_of(source: Any, stimuli: dict[int, Stimulus], cache: Path) -> dict[int, Path]:
    """The files of some stimuli, which are there; those of arrays are written where they are not."""
    files = {number: each.file for number, each in stimuli.items() if each.file is not None}
    if lacking := [str(file) for file in files.values() if not file.is_file()]:
        raise UsageError(f"{source.filename} names images that are not there, {abbreviate(lacking)}: put them there.")
    if files or not stimuli:
        return files
    with Path(source.filename).open("rb") as stream:
        folder = cache / f"pysaliency-{hashlib.file_digest(stream, 'sha256').hexdigest()[:32]}"
    files = {number: folder / each.name for number, each in stimuli.items()}
    if not all(file.is_file() for file in files.values()):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            for number, file in tqdm(files.items(), desc="writing images", unit="image", delay=1):
                _write(source, stimuli[number].key, file)
    return files


def _write(source: Any, key: str, file: Path) -> None:
    """One array as PNG, whole or not at all; not if another process has written it meanwhile."""
    if not file.is_file():
        pixels = array(source, key, source[key].ndim, "u")
        partial = file.with_name(f".{file.name}")
        Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).save(partial, format="PNG")
        replace_file(partial, file)
