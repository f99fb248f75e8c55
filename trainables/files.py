"""File names that writers and readers of a run agree on, and writing that survives a kill. No torch, no Ray."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from trainables.settings import UsageError, describe_value, first_line

RUN = "run.yaml"
RESULT = "reports.jsonl"
OLD_RESULT = "result.json"  # of earlier versions; Ray writes a file of that name, too, where its logger is on
CHECKPOINT = "last.pt"
CONFIG, WEIGHTS, METRICS = "config.yaml", "model.safetensors", "metrics.json"
BEST_WEIGHTS = "best.safetensors"
PANELS = "panels"
STAGE_PANEL = "visualization.png"
REPORT = "report"
SPLITS = "splits.json"
BASELINES = "baselines.json"


def trial_folder(run: Path, number: int) -> Path:
    """Return the folder of a run's trial."""
    return run / f"trial_{number:04d}"


def result_file(folder: Path) -> Path:
    """Return the file of a training's reports: an earlier version's where the folder has that alone."""
    old = folder / OLD_RESULT
    if (folder / RESULT).exists() or not old.exists():
        return folder / RESULT
    with old.open("rb") as file:
        is_rays = b'"trial_id"' in file.readline()
    return folder / RESULT if is_rays else old


@contextlib.contextmanager
def replacement(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to be written in the place of `path`, which it takes at the end, whole or not at all.

    A library that writes to it may hide why it could not; here that error comes out, with the file's name.

    Raises:
        OSError: it cannot be written; what it held so far is removed, because the disk may be full.
    """
    partial = path.with_name(f".{path.name}")
    try:
        with partial.open("wb") as file:
            yield file
        replace_file(partial, path)
    except Exception as error:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            partial.unlink(missing_ok=True)
        system_error = error if isinstance(error, OSError) else error.__context__
        if not isinstance(system_error, OSError) or system_error.errno is None:
            raise
        raise OSError(system_error.errno, os.strerror(system_error.errno), str(path)) from error


def replace_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacement(path) as file:
        file.write(text.encode())


def replace_file(partial: Path, path: Path) -> None:
    """Put a finished file in the place of another, once it is on disk: a power cut leaves the one or the other."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append one JSON object as a line that is on disk when this returns; a torn line before it stays apart."""
    with path.open("a+b") as file:
        file.seek(0, os.SEEK_END)
        is_torn = False
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            is_torn = file.read(1) != b"\n"
        file.write((b"\n" if is_torn else b"") + json.dumps(value).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read the JSON objects of a file, one per line; a missing file has none, and a torn line is left out."""
    if not path.exists():
        return []
    values = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            values.append(json.loads(line))
        except json.JSONDecodeError:
            continue  # a kill in the middle of a write tears a line
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping in a YAML file with OmegaConf, for which `1e-4` is a number.

    Raises:
        UsageError: it is no YAML, or holds no mapping.
    """
    try:
        values = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise UsageError(f"{path} is no YAML: {describe_value(first_line(error))}.") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path} holds no mapping of names to values.")
    return {str(key): value for key, value in values.items()}


def write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as YAML, whole or not at all."""
    replace_text(path, OmegaConf.to_yaml(OmegaConf.create(dict(values))))
