"""Tensors by name, from a file of weights: safetensors, or a checkpoint that `torch.save` wrote.

A checkpoint is read without running code of its own (`weights_only`). What is nested in it is named by its path, as in
`state_dict.module.conv1.weight`.
"""

from __future__ import annotations

import argparse
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from trainables.settings import UsageError, first_line

PICKLE_MAGIC = b"\x80"
ZIP_MAGIC = b"PK\x03\x04"
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
READ_ERRORS = (
    SafetensorError, OSError, EOFError, RuntimeError, ValueError, KeyError, IndexError, AttributeError, TypeError,
    MemoryError, pickle.UnpicklingError, zipfile.BadZipFile,
)  # fmt: skip
"""Errors that a damaged file raises, depending on where it is damaged."""


def read_shapes(path: Path) -> dict[str, Tensor]:
    """Read names, shapes and types of a file's tensors, which are on the device `meta`: their values are not read.

    Raises:
        UsageError: the file cannot be read, or holds no tensors.
    """
    return _read(path, "meta")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a file's tensors into memory.

    Raises:
        UsageError: the file cannot be read, or holds no tensors.
    """
    return _read(path, "cpu")


def _read(path: Path, device: str) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            magic = file.read(len(ZIP_MAGIC))
        is_zip = magic == ZIP_MAGIC
        if is_zip or magic.startswith(PICKLE_MAGIC):
            with torch.serialization.safe_globals([argparse.Namespace]):  # timm's training saves its arguments, too
                values = torch.load(path, map_location=device, weights_only=True, mmap=is_zip)
            tensors = dict(_flatten(values, ""))
        elif device == "meta":
            tensors = dict(_read_header(path))
        else:
            tensors = load_file(path)
    except READ_ERRORS as error:
        reason = first_line(error)[:200].rstrip(".: ") or type(error).__name__
        raise UsageError(
            f"weights={path} is neither safetensors nor a state dict that torch.save wrote, or it is damaged "
            f"({reason}): give another file."
        ) from error
    if not tensors:
        raise UsageError(f"weights={path} holds no tensors: give the weights of a network.")
    return tensors


def _read_header(path: Path) -> Iterator[tuple[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118  (the file is no mapping)
            part = file.get_slice(name)
            dtype = DTYPES.get(part.get_dtype(), torch.int64)
            yield name, torch.empty(part.get_shape(), dtype=dtype, device="meta")


def _flatten(value: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value.detach()
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flatten(inner, f"{path}.{name}" if path else str(name))
