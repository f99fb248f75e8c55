"""HDF5 files as pysaliency writes them: what is in one, or a sentence on why it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trainables.settings import UsageError

UNREADABLE = (OSError, KeyError, RuntimeError, TypeError, ValueError)


def opened(file: Path) -> Any:
    """The file, open for reading.

    Raises:
        UsageError: it is missing, or no HDF5 file.
    """
    if not file.is_file():
        raise UsageError(f"{file} is missing: data.root is the folder that holds pysaliency's files.")
    try:
        return h5py.File(file, "r")
    except OSError as error:
        raise UsageError(f"{file} is no HDF5 file: write it anew with pysaliency.") from error


def kind_of(source: Any) -> str:
    """pysaliency's name for what is in a file or group."""
    return text(source.attrs.get("type", "nothing of pysaliency"))


def text(value: Any) -> str:
    """A string as HDF5 gives it, of bytes or not."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def array(source: Any, name: str, dimensions: int, kinds: str = "iuf") -> np.ndarray:
    """A data set of so many dimensions, whose numbers are of one of NumPy's `kinds`.

    Raises:
        UsageError: it is missing, broken or another one.
    """
    try:
        values = np.asarray(source[name][()])
    except UNREADABLE as error:
        raise UsageError(f"{source.file.filename} lacks '{name}', or it is broken: write it anew.") from error
    if values.ndim != dimensions or values.dtype.kind not in kinds:
        raise UsageError(
            f"{source.file.filename} has {values.dtype} {list(values.shape)} as '{name}', which pysaliency does not "
            "write: write it anew."
        )
    return values


def check_as_many(source: Any, rows: dict[str, int]) -> None:
    """See that data sets, by name, have the same number of rows.

    Raises:
        UsageError: they have not.
    """
    if len(set(rows.values())) > 1:
        said = ", ".join(f"{many} of '{name}'" for name, many in rows.items())
        raise UsageError(f"{source.file.filename} has unlike numbers of rows, {said}: write it anew.")
