"""The files of a run's trials as data frames, cached as Parquet; what cannot be read is named.

Reading a run again costs only what has changed: a trial whose files have the same sizes and times as before is taken
from `.frames/` in the run's folder. Nothing is unpickled; of checkpoints it is only checked that they are complete.
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

from analysis.frames.lines import read_tables, sort_reports
from analysis.wording import format_count, inflect
from search.record import TRIAL
from trainables.files import BEST_WEIGHTS, CHECKPOINT, OLD_RESULT, RESULT, replace_file, result_file, trial_folder
from trainables.settings import first_line

FRAMES_FOLDER = ".frames"
TABLE_FILES = ("trials.parquet", "reports.parquet", "findings.parquet")
VERSION = b"4"  # of the files in FRAMES_FOLDER; a cache of another version is ignored
MISSING_ERRORS = (FileNotFoundError, NotADirectoryError)  # a running search may rename or remove a file meanwhile
RECORD_FIELDS = ("params", "origin", "status", "cause", "reason", "started", "ended", "seed")


@dataclass(frozen=True)
class Frames:
    """The content of the files of some trials.

    Attributes:
        trials: a row per trial folder: `trial`, `stamp` (sizes and times of its files), the fields of `trial.json` with
            `params` as JSON, and `problems`, sentences one per line.
        reports: a row per epoch: `trial`, `epoch`, every reported number, and the name of its `stage`.
        findings: a row per health finding: `trial`, `epoch`, `check`, `message`.
    """

    trials: pd.DataFrame
    reports: pd.DataFrame
    findings: pd.DataFrame


def read_trials(run: Path) -> tuple[Frames, list[str]]:
    """Read the frames of a run; the sentences returned beside them name a cache that could not be used or written."""
    stamps = _list_stamps(run)
    cache, remarks = _read_cache(run / FRAMES_FOLDER)
    if cache is not None:
        is_current = cache.trials["trial"].map(stamps).eq(cache.trials["stamp"])
        cache = _select_trials(cache, set(cache.trials.loc[is_current, "trial"]))
    cached_trials = set(cache.trials["trial"]) if cache is not None else set()
    new_stamps = {trial: stamp for trial, stamp in stamps.items() if trial not in cached_trials}
    if not new_stamps and cache is not None:
        return cache, remarks
    frames = _read_files(run, new_stamps)
    if cache is not None:
        frames = _merge(cache, frames)
    return frames, remarks + _write_cache(run / FRAMES_FOLDER, frames)


# -- files -------------------------------------------------------------------------------------------------------------


def _list_stamps(run: Path) -> dict[int, str]:
    """Map trial numbers to the stamps of their folders."""
    stamps = {}
    for folder in os.scandir(run):
        number = folder.name.removeprefix("trial_")
        if number != folder.name and number.isdecimal():
            with contextlib.suppress(*MISSING_ERRORS):
                stamps[int(number)] = _stamp_folder(folder.path)
    return dict(sorted(stamps.items()))


def _stamp_folder(folder: str) -> str:
    """Return names, sizes and times of the files that are read or checked."""
    names = {TRIAL, RESULT, OLD_RESULT, BEST_WEIGHTS, CHECKPOINT}
    parts = []
    for entry in os.scandir(folder):
        if entry.name in names or entry.name.removeprefix(".") in names:
            with contextlib.suppress(*MISSING_ERRORS):
                status = entry.stat()
                parts.append(f"{entry.name}:{status.st_size}:{status.st_mtime_ns}")
    return " ".join(sorted(parts))


def _read_files(run: Path, stamps: dict[int, str]) -> Frames:
    """Read the files of some trials."""
    paths = {trial: trial_folder(run, trial) for trial in stamps}
    tables = read_tables(paths)
    rows = []
    for trial, stamp in stamps.items():
        values, problems = _read_record(paths[trial])
        problems += _list_torn_lines(paths[trial], tables.torn_counts[trial])
        problems += _checkpoint_problems(paths[trial], stamp, values["status"])
        rows.append({"trial": trial, "stamp": stamp, **values, "problems": "\n".join(problems)})
    trials = pd.DataFrame(rows, columns=["trial", "stamp", *RECORD_FIELDS, "problems"])
    for name in ("started", "ended", "seed"):
        trials[name] = pd.to_numeric(trials[name], errors="coerce").astype(float)
    return Frames(trials, tables.reports, tables.findings)


def _read_record(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Read the fields of a trial's `trial.json`; where it is missing or damaged, the status is `unknown`."""
    path = folder / TRIAL
    reason = "holds no record"
    values: Any = None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        reason = "is missing"
    except (OSError, ValueError) as error:
        reason = f"cannot be read ({first_line(error)})"
    if not isinstance(values, dict) or not isinstance(values.get("params"), dict):
        sentence = f"{folder.name}/{TRIAL} {reason}: how that trial ended, and its settings, are not known."
        return {**dict.fromkeys(RECORD_FIELDS), "params": "{}", "status": "unknown"}, [sentence]
    return {**{field: values.get(field) for field in RECORD_FIELDS}, "params": json.dumps(values["params"])}, []


def _list_torn_lines(folder: Path, count: int) -> list[str]:
    lines = f"{format_count(count, 'line')} {inflect(count, 'is', 'are')}"
    return [f"{folder.name}/{result_file(folder).name}: {lines} torn, as after a kill, and left out."] if count else []


def _checkpoint_problems(folder: Path, stamp: str, status: str) -> list[str]:
    """List truncated checkpoints, and the half-written files that an interrupted writer left beside them."""
    names = [part.split(":")[0] for part in stamp.split()]
    problems = []
    if BEST_WEIGHTS in names and not _is_complete(folder / BEST_WEIGHTS, _is_safetensors):
        problems.append(f"{folder.name}/{BEST_WEIGHTS} is cut off: that trial cannot be exported.")
    if CHECKPOINT in names and not _is_complete(folder / CHECKPOINT, zipfile.is_zipfile):
        problems.append(f"{folder.name}/{CHECKPOINT} is cut off: that trial cannot be resumed.")
    if status != "running":
        partials = [name for name in names if name.startswith(".") and (folder / name).exists()]
        problems += [f"{folder.name}/{name} is half-written, as after a kill; it is not used." for name in partials]
    return problems


def _is_complete(path: Path, check: Callable[[IO[bytes]], bool]) -> bool:
    """Return the result of a check of a file; a file that has vanished meanwhile passes."""
    try:
        with path.open("rb") as file:
            return check(file)
    except MISSING_ERRORS:
        return True


def _is_safetensors(file: IO[bytes]) -> bool:
    """Check that the open file is as long as its header says; its name may belong to another file by now."""
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


def _read_cache(folder: Path) -> tuple[Frames | None, list[str]]:
    """Read the cached frames, if all files are readable, of this version, and written together."""
    if not (folder / TABLE_FILES[0]).exists():
        return None, []
    try:
        tables = [parquet.ParquetFile(folder / name, memory_map=True).read() for name in TABLE_FILES]
        labels = [table.schema.metadata or {} for table in tables]
        if any(label.get(b"version") != VERSION or label.get(b"token") != labels[0].get(b"token") for label in labels):
            return None, []
        return Frames(*(table.to_pandas(split_blocks=True, self_destruct=True) for table in tables)), []
    except (OSError, pa.ArrowInvalid) as error:
        return None, [f"{folder} cannot be used ({first_line(error)}): all trials were read again."]


def _write_cache(folder: Path, frames: Frames) -> list[str]:
    """Write the frames under a common token, which tells files of different writers, after a kill or a race, apart."""
    label = {b"version": VERSION, b"token": secrets.token_hex(8).encode()}
    try:
        folder.mkdir(exist_ok=True)
        for name, frame in zip(TABLE_FILES, (frames.trials, frames.reports, frames.findings), strict=True):
            table = pa.Table.from_pandas(frame, preserve_index=False)
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), **label})
            partial = folder / f".{name}.{os.getpid()}"
            try:
                parquet.write_table(table, partial)
                replace_file(partial, folder / name)
            finally:
                partial.unlink(missing_ok=True)
    except (OSError, pa.ArrowException) as error:
        return [f"{folder} cannot be written ({first_line(error)}): the next reading takes as long as this one."]
    return []


def _select_trials(frames: Frames, trials: set[int]) -> Frames:
    """Select the rows of some trials."""
    if len(trials) == len(frames.trials):
        return frames
    return Frames(*(frame[frame["trial"].isin(trials)] for frame in (frames.trials, frames.reports, frames.findings)))


def _merge(first: Frames, second: Frames) -> Frames:
    trials = pd.concat([first.trials, second.trials], ignore_index=True).sort_values("trial", ignore_index=True)
    reports = pd.concat([first.reports, second.reports], ignore_index=True)
    findings = pd.concat([first.findings, second.findings], ignore_index=True)
    return Frames(trials, sort_reports(reports), findings)
