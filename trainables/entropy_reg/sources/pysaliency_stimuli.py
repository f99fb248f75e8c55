"""Images of a data set written by pysaliency: files beside it, or arrays in it, which are written once as PNG."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock
from PIL import Image
from tqdm import tqdm

from trainables.entropy_reg.sources.hdf5 import HDF5_ERRORS, check_row_counts, decode_text, pysaliency_type, read_array
from trainables.files import replace_file
from trainables.settings import UsageError, abbreviate


class Stimulus(NamedTuple):
    """An image of a data set.

    Attributes:
        name: unique in the data set.
        key: name of the array in the HDF5 file; empty for a file.
        file: None for an array.
        size: width and height in pixels.
    """

    name: str
    key: str
    file: Path | None
    size: tuple[int, int]


def list_stimuli(source: Any) -> list[Stimulus]:
    """List the images of an open `stimuli.hdf5`, in its order.

    Raises:
        UsageError: it holds something else, or contradicts itself.
    """
    kind = pysaliency_type(source)
    if kind not in ("FileStimuli", "Stimuli"):
        raise UsageError(f"{source.filename} holds '{kind}': give what pysaliency writes of FileStimuli or Stimuli.")
    return _file_stimuli(source) if kind == "FileStimuli" else _array_stimuli(source)


def _file_stimuli(source: Any) -> list[Stimulus]:
    """List images that are files; their names lack the folder where they are unique without it."""
    texts = [decode_text(value) for value in read_array(source, "filenames", 1, "SO")]
    files = [PurePosixPath(text.replace("\\", "/")).as_posix() for text in texts]
    if duplicates := sorted(file for file in set(files) if files.count(file) > 1):
        raise UsageError(
            f"{source.filename} names {abbreviate(duplicates)} twice: put the fixations of an image together."
        )
    basenames = [PurePosixPath(file).name for file in files]
    names = basenames if len(set(basenames)) == len(basenames) else files
    sizes, root = _read_sizes(source, len(names)), Path(source.filename).parent
    return [Stimulus(name, "", root / file, size) for name, file, size in zip(names, files, sizes, strict=True)]


def _read_sizes(source: Any, count: int) -> list[tuple[int, int]]:
    """Read width and height of every stimulus; the file has height, width and, for some, channels."""
    try:
        sizes = [(int(shape[1]), int(shape[0])) for shape in source["shapes"][()]]
    except (*HDF5_ERRORS, IndexError) as error:
        raise UsageError(f"{source.filename} lacks 'shapes', or it is broken: write it again.") from error
    check_row_counts(source, {"filenames": count, "shapes": len(sizes)})
    if wrong := [size for size in sizes if min(size) < 1]:
        raise UsageError(f"{source.filename} has an image of {wrong[0][0]}×{wrong[0][1]} pixels: write it again.")
    return sizes


def _array_stimuli(source: Any) -> list[Stimulus]:
    """List images that are arrays, named by their number; read no pixels."""
    count = int(source.attrs.get("size", 0))
    digits = len(str(count))
    stimuli = []
    for number in range(count):
        array = source.get(str(number))
        shape: tuple[int, ...] = getattr(array, "shape", ())
        dtype = getattr(array, "dtype", None)
        if dtype != np.uint8 or len(shape) not in (2, 3) or 0 in shape or (*shape, 1)[2] not in (1, 3, 4):
            raise UsageError(
                f"{source.filename} has {dtype} {list(shape)} as stimulus {number}: images are uint8, height × width, "
                "alone or with 1, 3 or 4 channels."
            )
        stimuli.append(Stimulus(f"{number:0{digits}d}.png", str(number), None, (shape[1], shape[0])))
    return stimuli


def stimulus_files(source: Any, stimuli: dict[int, Stimulus], cache: Path) -> dict[int, Path]:
    """Return the files of some stimuli, given by their number; write those of arrays that do not exist yet.

    Raises:
        UsageError: a file is missing.
    """
    files = {number: stimulus.file for number, stimulus in stimuli.items() if stimulus.file is not None}
    if lacking := [str(file) for file in files.values() if not file.is_file()]:
        raise UsageError(f"{source.filename} names images that are not there, {abbreviate(lacking)}: put them there.")
    if files or not stimuli:
        return files
    with Path(source.filename).open("rb") as stream:
        folder = cache / f"pysaliency-{hashlib.file_digest(stream, 'sha256').hexdigest()[:32]}"
    files = {number: folder / stimulus.name for number, stimulus in stimuli.items()}
    if not all(file.is_file() for file in files.values()):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            for number, file in tqdm(files.items(), desc="writing images", unit="image", delay=1):
                _write_png(source, stimuli[number].key, file)
    return files


def _write_png(source: Any, key: str, file: Path) -> None:
    """Write an array as PNG, whole or not at all, unless another process has written it meanwhile."""
    if not file.is_file():
        pixels = read_array(source, key, source[key].ndim, "u")
        partial = file.with_name(f".{file.name}")
        Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).save(partial, format="PNG")
        replace_file(partial, file)
