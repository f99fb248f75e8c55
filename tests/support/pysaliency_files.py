"""Files as pysaliency writes them, following its source, and what entropy_reg reads from them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from trainables.entropy_reg.config import Data
from trainables.entropy_reg.sources.pysaliency import list_images
from trainables.settings import UsageError

NAN = np.nan
NAMES = ["im2.png", "im10.png", "im1.png"]
PICTURES = [np.random.default_rng(index).integers(0, 255, shape, dtype=np.uint8)
            for index, shape in enumerate([(30, 40, 3), (20, 50), (10, 12, 1)])]  # fmt: skip
PATHS = [(2, [[1.5, 2], [3, 4], [5, 6]]), (0, [[7, 8]]), (2, [[1.5, 2], [9, 10]]), (0, []), (0, [[7, 8], [11, 99]])]
EXPECTED = {"im1.png": [PATHS[0][1], PATHS[2][1]], "im2.png": [PATHS[1][1], PATHS[4][1]]}


def write_hdf5(
    root: Path, name: str, kind: str, version: str, arrays: dict, group: str | None = None, **attributes
) -> None:
    """Write a file of a type and version of pysaliency; `group`: into a group of ScanpathFixations."""
    with h5py.File(root / name, "w") as file:
        target = file
        if group is not None:
            file.attrs["type"], file.attrs["version"] = np.bytes_("ScanpathFixations"), np.bytes_("1.0")
            target = file.create_group(group)
        target.attrs["type"], target.attrs["version"] = np.bytes_(kind), np.bytes_(version)
        for key, value in attributes.items():
            target.attrs[key] = value
        for key, value in arrays.items():
            target.create_dataset(key, data=value)


def file_stimuli(root: Path, names=NAMES, version="2.1", folder="stimuli/", shapes=None) -> None:
    """Write `stimuli.hdf5` with the names of files."""
    write_hdf5(root, "stimuli.hdf5", "FileStimuli", version, {}, size=len(names))
    with h5py.File(root / "stimuli.hdf5", "a") as file:
        file.create_dataset("filenames", data=[f"{folder}{name}".encode() for name in names],
                            dtype=h5py.special_dtype(vlen=str))  # fmt: skip
        stored = file.create_dataset("shapes", (len(names),), dtype=h5py.special_dtype(vlen=np.dtype("int64")))
        for index, shape in enumerate(shapes or [picture.shape for picture in PICTURES[: len(names)]]):
            stored[index] = np.array(shape)


def array_stimuli(root: Path, pictures=PICTURES) -> None:
    """Write `stimuli.hdf5` with the pixels."""
    arrays = {str(index): picture for index, picture in enumerate(pictures)}
    write_hdf5(root, "stimuli.hdf5", "Stimuli", "1.1", arrays, size=len(pictures))


def pad(paths, filler=NAN, axis=0) -> np.ndarray:
    """Return one coordinate of all paths as rows of one length."""
    rows = np.full((len(paths), max(map(len, paths)) + 1), filler)
    for row, path in zip(rows, paths, strict=True):
        row[: len(path)] = [point[axis] for point in path]
    return rows


def scanpaths(paths=PATHS, filler=77.0, **changed) -> dict:
    """Return the arrays of Scanpaths; values beyond a path's length have no meaning."""
    points = [path for _, path in paths]
    arrays = {"xs": pad(points, filler), "ys": pad(points, filler, 1), "n": [number for number, _ in paths]}
    return arrays | {"length": [len(path) for path in points]} | changed


def trains(paths=PATHS) -> dict:
    """Return the arrays of FixationTrains."""
    points = [path for _, path in paths]
    return {"train_xs": pad(points), "train_ys": pad(points, axis=1), "train_ns": [number for number, _ in paths]}


def single(paths=PATHS, keep=lambda length: True, lengths=True, subjects="subject", **more) -> dict:
    """Return the arrays of Fixations with their histories; `keep` selects by the length of the history."""
    rows = [(number, subject, path, index) for subject, (number, path) in enumerate(paths)
            for index in range(len(path)) if keep(index)]  # fmt: skip
    history = [path[:index] for _, _, path, index in rows]
    arrays = {
        "x": [path[index][0] for _, _, path, index in rows],
        "y": [path[index][1] for _, _, path, index in rows],
        "n": [row[0] for row in rows],
        subjects: [row[1] for row in rows],
        "x_hist": pad(history),
        "y_hist": pad(history, axis=1),
    }
    return arrays | ({"lengths": [len(each) for each in history]} if lengths else {}) | more


def write_data_set(root: Path) -> Path:
    """Write images, their stimuli and Scanpaths; return the folder."""
    (root / "stimuli").mkdir()
    for name, picture in zip(NAMES, PICTURES, strict=True):
        Image.fromarray(picture.squeeze()).save(root / "stimuli" / name)
    file_stimuli(root)
    write_hdf5(root, "fixations.hdf5", "Scanpaths", "1.0", scanpaths())
    return root


def read_images(root: Path, first="scored"):
    """List the images of the folder."""
    return list_images(Data(source="pysaliency", root=str(root), cache=str(root / "cache"), first_fixation=first))


def scanpaths_by_name(root: Path, first="scored") -> dict:
    """Return the scanpaths of every image by its name."""
    return {image.name: [path.tolist() for path in image.scanpaths] for image in read_images(root, first)}


def refuse(root: Path, sentence: str, first="scored") -> None:
    """See that the folder is refused with a sentence."""
    with pytest.raises(UsageError, match=sentence):
        read_images(root, first)
