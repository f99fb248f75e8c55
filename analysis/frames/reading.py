"""The files of a run's trials as frames: JSON lines by Arrow, kept as Parquet, and what cannot be read named.

Reading a run again costs what has changed: a trial whose files have the size and time they had is taken from
`.frames/` in the run's folder. Nothing is unpickled; checkpoints are only seen to be whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from analysis.frames.lines import in_order, tables
from search.record import TRIAL
from trainables.files import BEST_WEIGHTS, LAST, RESULT, put_in_place, trial_folder
from trainables.settings import one_line

FRAMES = ".frames"
TABLES = ("trials.parquet", "reports.parquet", "findings.parquet")
VERSION = b"2"  # of the files in FRAMES; another one is read anew
GONE = (FileNotFoundError, NotADirectoryError)  # renamed or removed while it is looked at, as in a run at work
FIELDS = ("params", "origin", "status", "cause", "reason", "started", "ended", "seed")


@dataclass(frozen=True)
class Frames:
    """What the files of some trials hold.

    Attributes:
        trials: a row per trial folder: `trial`, `stamp` (sizes and times of its files), the fields of `trial.json` with
            `params` as JSON, and `problems`, sentences one per line.
        reports: a row per epoch: `trial`, `epoch`, and every number that was reported.
        findings: a row per health finding: `trial`, `epoch`, `check`, `message`.
    """

    trials: pd.DataFrame
    reports: pd.DataFrame
    findings: pd.DataFrame


def read_trials(run: Path) -> tuple[Frames, list[str]]:
    """The frames of a run, and what else is worth saying: a cache that could not be used or written."""
    stamps = _stamps(run)
    kept, remarks = _cached(run / FRAMES)
    if kept is not None:
        same = kept.trials["trial"].map(stamps).eq(kept.trials["stamp"])
        kept = _only(kept, set(kept.trials.loc[same, "trial"]))
    known = set(kept.trials["trial"]) if kept is not None else set()
    fresh = {trial: stamp for trial, stamp in stamps.items() if trial not in known}
    if not fresh and kept is not None:
        return kept, remarks
    read = _read(run, fresh)
    frames = read if kept is None else _joined(kept, read)
    return frames, remarks + _keep(run / FRAMES, frames)


# -- files -------------------------------------------------------------------------------------------------------------


def _stamps(run: Path) -> dict[int, str]:
    """Trial number → stamp of its folder."""
    stamps = {}
    for folder in os.scandir(run):
        number = folder.name.removeprefix("trial_")
        if number != folder.name and number.isdecimal():
            with contextlib.suppress(*GONE):
                stamps[int(number)] = _stamp(folder.path)
    return dict(sorted(stamps.items()))


def _stamp(folder: str) -> str:
    """Names, sizes and times of the files that are read or checked."""
    watched = {TRIAL, RESULT, BEST_WEIGHTS, LAST}
    found = []
    for entry in os.scandir(folder):
        if entry.name in watched or entry.name.removeprefix(".") in watched:
            with contextlib.suppress(*GONE):
                known = entry.stat()
                found.append(f"{entry.name}:{known.st_size}:{known.st_mtime_ns}")
    return " ".join(sorted(found))


def _read(run: Path, stamps: dict[int, str]) -> Frames:
    """Read the files of some trials."""
    paths = {trial: trial_folder(run, trial) for trial in stamps}
    read = tables(paths)
    rows = []
    for trial, stamp in stamps.items():
        values, problems = _record(paths[trial])
        said = [*problems, *_torn(paths[trial], read.torn[trial])]
        said += _checkpoint_problems(paths[trial], stamp, values["status"])
        rows.append({"trial": trial, "stamp": stamp, **values, "problems": "\n".join(said)})
    trials = pd.DataFrame(rows, columns=["trial", "stamp", *FIELDS, "problems"])
    for name in ("started", "ended", "seed"):
        trials[name] = pd.to_numeric(trials[name], errors="coerce").astype(float)
    return Frames(trials, read.reports, read.findings)


def _record(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The fields of a trial's `trial.json`; of one that is missing or damaged, `unknown` for its status."""
    path = folder / TRIAL
    why = "holds no record"
    values: Any = None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        why = "is missing"
    except (OSError, ValueError) as error:
        why = f"cannot be read ({one_line(error)})"
    if not isinstance(values, dict) or not isinstance(values.get("params"), dict):
        said = f"{folder.name}/{TRIAL} {why}: how that trial ended, and its settings, are not known."
        return {**dict.fromkeys(FIELDS), "params": "{}", "status": "unknown"}, [said]
    return {**{field: values.get(field) for field in FIELDS}, "params": json.dumps(values["params"])}, []


def _torn(folder: Path, torn: int) -> list[str]:
    lines = "line is" if torn == 1 else "lines are"
    return [f"{folder.name}/{RESULT}: {torn} {lines} torn and left out, as a kill leaves them."] if torn else []


def _checkpoint_problems(folder: Path, stamp: str, status: str) -> list[str]:
    """Checkpoints that are not whole, and what an interrupted writing left beside them."""
    names = [part.split(":")[0] for part in stamp.split()]
    said = []
    if BEST_WEIGHTS in names and not _whole(folder / BEST_WEIGHTS, _is_safetensors):
        said.append(f"{folder.name}/{BEST_WEIGHTS} is cut off: that trial cannot be exported.")
    if LAST in names and not _whole(folder / LAST, zipfile.is_zipfile):
        said.append(f"{folder.name}/{LAST} is cut off: that trial cannot be gone on with.")
    if status != "running":
        left = [name for name in names if name.startswith(".") and (folder / name).exists()]
        said += [f"{folder.name}/{name} is what a kill left of a half-written file; it is not used." for name in left]
    return said


def _whole(path: Path, check: Callable[[IO[bytes]], bool]) -> bool:
    """What a check finds of a file; of one that is gone by now there is nothing to say."""
    try:
        with path.open("rb") as file:
            return check(file)
    except GONE:
        return True


def _is_safetensors(file: IO[bytes]) -> bool:
    """Whether the file is as long as its header says; it is the open one that is measured, not what has its name."""
    start = file.read(8)
    if len(start) < 8:
        return False
    (length,) = struct.unpack("<Q", start)
    try:
        header = json.loads(file.read(min(length, 100 << 20)))
        ends = [value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"]
    except (ValueError, AttributeError, TypeError, KeyError, IndexError):
        return False
    return os.fstat(file.fileno()).st_size == 8 + length + max(ends, default=0)


# -- cache -------------------------------------------------------------------------------------------------------------


def _cached(folder: Path) -> tuple[Frames | None, list[str]]:
    """The frames of an earlier reading, if there are any of this version that can be read and belong together."""
    if not (folder / TABLES[0]).exists():
        return None, []
    try:
        read = [parquet.ParquetFile(folder / name, memory_map=True).read() for name in TABLES]
        known = [table.schema.metadata or {} for table in read]
        if any(each.get(b"version") != VERSION or each.get(b"token") != known[0].get(b"token") for each in known):
            return None, []
        return Frames(*(table.to_pandas(split_blocks=True, self_destruct=True) for table in read)), []
    except (OSError, pa.ArrowInvalid) as error:
        return None, [f"{folder} cannot be used ({one_line(error)}): everything was read anew."]


def _keep(folder: Path, frames: Frames) -> list[str]:
    """Write the frames under one token, by which files of different writings, after a kill or a race, are told."""
    written = {b"version": VERSION, b"token": secrets.token_hex(8).encode()}
    try:
        folder.mkdir(exist_ok=True)
        for name, frame in zip(TABLES, (frames.trials, frames.reports, frames.findings), strict=True):
            table = pa.Table.from_pandas(frame, preserve_index=False)
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), **written})
            partial = folder / f".{name}.{os.getpid()}"
            try:
                parquet.write_table(table, partial)
                put_in_place(partial, folder / name)
            finally:
                partial.unlink(missing_ok=True)
    except (OSError, pa.ArrowException) as error:
        return [f"{folder} cannot be written ({one_line(error)}): the next reading takes as long as this one."]
    return []


def _only(frames: Frames, trials: set[int]) -> Frames:
    """The part of frames that belongs to some trials."""
    if len(trials) == len(frames.trials):
        return frames
    return Frames(*(each[each["trial"].isin(trials)] for each in (frames.trials, frames.reports, frames.findings)))


def _joined(one: Frames, other: Frames) -> Frames:
    trials = pd.concat([one.trials, other.trials], ignore_index=True).sort_values("trial", ignore_index=True)
    reports = pd.concat([one.reports, other.reports], ignore_index=True)
    findings = pd.concat([one.findings, other.findings], ignore_index=True)
    return Frames(trials, in_order(reports), findings)
