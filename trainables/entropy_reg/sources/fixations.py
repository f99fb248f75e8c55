"""Fixations of a folder: `stimuli/` with the images, and `fixations.csv` with one row for every fixation.

The table has the columns `image`, `subject`, `index`, `x` and `y`, and may have more. `image` is the path of a file
below `stimuli/`. `x` and `y` are in pixels of that file, x to the right and y down; pixel i covers i to i + 1. `index`
is the order of the fixations of a subject on an image. The rows may be in any order.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from trainables.contract import Split
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.scanpaths import Recording
from trainables.entropy_reg.sources.recordings import load_recordings
from trainables.entropy_reg.split import Stimuli
from trainables.settings import UsageError, abbreviate

_TABLE, _STIMULI = "fixations.csv", "stimuli"
_NAMES, _NUMBERS = ("image", "subject"), ("index", "x", "y")


def load(config: Config, data: Data, split: Split) -> Stimuli:
    """Load the images of a split with their fixations.

    Raises:
        UsageError: as `list_images` and `load_recordings` do.
    """
    return load_recordings(list_images, config, data, split)


def list_images(data: Data) -> list[Recording]:
    """List the images that have fixations, sorted by name, with one scanpath per subject; open none of them.

    Images that the table does not name are left out: without fixations there is nothing to learn from them.

    Raises:
        UsageError: the folder or the table is missing or broken, lacks columns, images or numbers, or numbers two
            fixations of a scanpath alike.
    """
    root = data.folder
    table = _read_table(root / _TABLE)
    images = _index_images(root, table)
    subjects = pd.factorize(table["subject"], sort=True)[0]
    order = np.lexsort((table["index"], subjects, images))
    table, images, subjects = table.iloc[order], images[order], subjects[order]
    same_path = (images[1:] == images[:-1]) & (subjects[1:] == subjects[:-1])
    _check_order(root / _TABLE, table, same_path)
    points = table[["x", "y"]].to_numpy(np.float32)
    starts = np.flatnonzero(np.concatenate([[True], ~same_path]))
    paths: dict[str, list[np.ndarray]] = {}
    for name, path in zip(table["image"].iloc[starts], np.split(points, starts[1:]), strict=True):
        paths.setdefault(name, []).append(path)
    return [
        Recording(name, root / _STIMULI / name, None, tuple(scanpaths)) for name, scanpaths in sorted(paths.items())
    ]


def _read_table(file: Path) -> pd.DataFrame:
    """Read the five columns and check every row; a row's index is its line in the file less two."""
    if not file.is_file():
        raise UsageError(f"{file} is missing: data.root is the folder that holds {_TABLE} and {_STIMULI}/.")
    try:
        table = pd.read_csv(
            file,
            dtype=dict.fromkeys(_NAMES, str),
            keep_default_na=False,  # an image may be called NA
            na_values=[""],
            skip_blank_lines=False,  # so that lines can be counted
        )
    except ValueError as error:  # pandas' own errors, and those of decoding, are ValueErrors
        raise UsageError(f"{file} is no table of comma-separated values: {' '.join(str(error).split())}.") from error
    if lacking := [name for name in (*_NAMES, *_NUMBERS) if name not in table.columns]:
        raise UsageError(f"{file} lacks the column {abbreviate(lacking)}: its first line names the columns.")
    if not isinstance(table.index, pd.RangeIndex):
        raise UsageError(f"{file} has more values in a row than columns: name them all in its first line.")
    table = table[[*_NAMES, *_NUMBERS]].dropna(how="all").copy()
    if table.empty:
        raise UsageError(f"{file} has no rows: each fixation has one.")
    for name in _NAMES:
        _check_cells(file, table, table[name].isna(), name, "complete it")
    for name in _NUMBERS:
        _check_cells(file, table, ~_is_finite(table[name]), name, "give a finite number")
        table[name] = pd.to_numeric(table[name])
    return table


def _is_finite(column: pd.Series) -> pd.Series:
    """Return whether each value is a number that float32 can hold."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    with np.errstate(over="ignore"):
        return pd.Series(np.isfinite(numbers.astype(np.float32)), column.index)


def _check_cells(file: Path, table: pd.DataFrame, wrong: pd.Series, column: str, remedy: str) -> None:
    """See that no cell of a column is wrong; the first one that is goes into the message."""
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        value = table[column].iloc[row]
        words = "nothing" if pd.isna(value) else f"'{value}'"
        raise UsageError(f"{file}, line {int(table.index[row]) + 2}, says {words} under {column}: {remedy}.")


def _index_images(root: Path, table: pd.DataFrame) -> np.ndarray:
    """Return the index of each row's image among the sorted names, int64 `[rows]`; normalise the table's paths."""
    indices, names = pd.factorize(table["image"])
    paths = [PurePosixPath(name).as_posix() for name in names]
    for index, name in enumerate(paths):
        if not (root / _STIMULI / name).is_file():
            line = int(table.index[int(np.argmax(indices == index))]) + 2
            raise UsageError(
                f"{root / _TABLE}, line {line}, names the image {name}, which {root / _STIMULI} does not hold: add it, "
                "or take its rows out."
            )
    table["image"] = np.array(paths, dtype=object)[indices]
    return pd.factorize(table["image"], sort=True)[0]


def _check_order(file: Path, table: pd.DataFrame, same_path: np.ndarray) -> None:
    """See that no index occurs twice in a scanpath; the rows are sorted by it."""
    index = table["index"].to_numpy()
    duplicates = same_path & (index[1:] == index[:-1])
    if duplicates.any():
        row = int(np.argmax(duplicates)) + 1
        name, subject, number = (table[column].iloc[row] for column in ("image", "subject", "index"))
        first, second = sorted(int(line) + 2 for line in table.index[[row - 1, row]])
        raise UsageError(
            f"{file} has index {number:g} of subject {subject} on {name} twice, in lines {first} and {second}: number "
            "the fixations of a scanpath from 0."
        )
