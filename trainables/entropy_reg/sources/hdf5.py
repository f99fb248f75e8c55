"""Reading HDF5 files as pysaliency writes them, with a sentence where one cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trainables.settings import UsageError

HDF5_ERRORS = (OSError, KeyError, RuntimeError, TypeError, ValueError)


def open_hdf5(file: Path) -> Any:
    """Open a file for reading.

    Raises:
        UsageError: it is missing, or is no HDF5 file.
    """
    if not file.is_file():
        raise UsageError(f"{file} is missing: data.root is the folder that holds pysaliency's files.")
    try:
        return h5py.File(file, "r")
    except OSError as error:
        raise UsageError(f"{file} is no HDF5 file: write it again with pysaliency.") from error


def pysaliency_type(source: Any) -> str:
    """Return pysaliency's name for the content of a file or group."""
    return decode_text(source.attrs.get("type", "nothing of pysaliency"))


def decode_text(value: Any) -> str:
    """Decode a string, which HDF5 may return as bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def read_array(source: Any, name: str, dimensions: int, kinds: str = "iuf") -> np.ndarray:
    """Read a data set and check its number of dimensions and its dtype, one of NumPy's `kinds`.

    Raises:
        UsageError: it is missing or broken, or has other dimensions or another dtype.
    """
    try:
        values = np.asarray(source[name][()])
    except HDF5_ERRORS as error:
        raise UsageError(f"{source.file.filename} lacks '{name}', or it is broken: write it again.") from error
    if values.ndim != dimensions or values.dtype.kind not in kinds:
        raise UsageError(
            f"{source.file.filename} has {values.dtype} {list(values.shape)} as '{name}', which pysaliency does not "
            "write: write it again."
        )
    return values


def check_row_counts(source: Any, rows: dict[str, int]) -> None:
    """See that data sets, given by name with their numbers of rows, have the same number.

    Raises:
        UsageError: they do not.
    """
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{count} of '{name}'" for name, count in rows.items())
        raise UsageError(f"{source.file.filename} has different numbers of rows, {counts}: write it again.")
