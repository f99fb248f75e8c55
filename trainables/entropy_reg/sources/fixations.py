"""Fixations of a folder: `stimuli/` with the images, and `fixations.csv` with one row for every fixation.

The table has the columns `image`, `subject`, `index`, `x` and `y`, and may have more. `image` is a file by its path
below `stimuli/`. `x` and `y` are pixels of that file, x to the right and y down, pixel i from i to i + 1. `index` says
the order of the fixations of a subject on an image. Rows may come in any order.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from trainables.entropy_reg.config import Data
from trainables.entropy_reg.scanpaths import Listed
from trainables.settings import UsageError, abbreviate

_TABLE, _STIMULI = "fixations.csv", "stimuli"
_NAMES, _NUMBERS = ("image", "subject"), ("index", "x", "y")


def listed(data: Data) -> list[Listed]:
    """The images that have fixations, by name, each with one scanpath per subject; opens none of them.

    Images that the table does not name are left out: without fixations they teach nothing.

    Raises:
        UsageError: folder or table are missing or broken, lack columns, images or numbers, or say something twice.
    """
    root = data.folder
    table = _table(root / _TABLE)
    images = _images(root, table)
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
    return [Listed(name, root / _STIMULI / name, None, tuple(each)) for name, each in sorted(paths.items())]


def _table(file: Path) -> pd.DataFrame:
    """The five columns, once every row is known to have them; the frame's index is the row's line less two."""
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
        _refuse(file, table, table[name].isna(), name, "complete it")
    for name in _NUMBERS:
        _refuse(file, table, ~_finite(table[name]), name, "give a finite number")
        table[name] = pd.to_numeric(table[name])
    return table


def _finite(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    with np.errstate(over="ignore"):
        return pd.Series(np.isfinite(numbers.astype(np.float32)), column.index)


def _refuse(file: Path, table: pd.DataFrame, wrong: pd.Series, column: str, remedy: str) -> None:
    if wrong.any():
        place = int(np.argmax(wrong.to_numpy()))
        said = table[column].iloc[place]
        words = "nothing" if pd.isna(said) else f"'{said}'"
        raise UsageError(f"{file}, line {int(table.index[place]) + 2}, says {words} under {column}: {remedy}.")


def _images(root: Path, table: pd.DataFrame) -> np.ndarray:
    """The place of each row's image among all names, int64 `[rows]`; the table's names become paths of one form."""
    places, names = pd.factorize(table["image"])
    paths = [PurePosixPath(name).as_posix() for name in names]
    for place, name in enumerate(paths):
        if not (root / _STIMULI / name).is_file():
            line = int(table.index[int(np.argmax(places == place))]) + 2
            raise UsageError(
                f"{root / _TABLE}, line {line}, names the image {name}, which {root / _STIMULI} does not hold: add it, "
                "or take its rows out."
            )
    table["image"] = np.array(paths, dtype=object)[places]
    return pd.factorize(table["image"], sort=True)[0]


def _check_order(file: Path, table: pd.DataFrame, same_path: np.ndarray) -> None:
    """See that no index of a scanpath comes twice; rows are sorted by it."""
    index = table["index"].to_numpy()
    twice = same_path & (index[1:] == index[:-1])
    if twice.any():
        place = int(np.argmax(twice)) + 1
        name, subject, number = (table[column].iloc[place] for column in ("image", "subject", "index"))
        one, other = sorted(int(table.index[each]) + 2 for each in (place - 1, place))
        raise UsageError(
            f"{file} has index {number:g} of subject {subject} on {name} twice, in lines {one} and {other}: number "
            "the fixations of a scanpath from 0."
        )
