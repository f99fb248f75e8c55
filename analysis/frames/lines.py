"""The `result.json` of many trials as one table: whole lines by Arrow, damaged ones left out and counted.

What an older run did not report of its objective is worked out from its metrics, and each trial's best report found.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from trainables.files import RESULT
from trainables.objective import STAGE, Objective

BLOCK = 64 << 20  # bytes of lines that are parsed together
KEYS = ("trial", "epoch")
VALUE, VIOLATION, FEASIBLE = "objective/value", "objective/violation", "objective/feasible"
SECONDS = "time/total_s"


class Lines(NamedTuple):
    """A trial's file: its bytes up to the last line break, the number of lines, and whether something came after."""

    trial: int
    data: bytes
    total: int
    torn: int


class Tables(NamedTuple):
    """Reports and findings as frames, and the number of damaged lines of each trial that has some."""

    reports: pd.DataFrame
    findings: pd.DataFrame
    torn: Counter[int]


def tables(folders: Mapping[int, Path]) -> Tables:
    """What trials reported: every number (with `trial` and `epoch`, in their order), and every health finding.

    Args:
        folders: of the trials, by number.
    """
    torn: Counter[int] = Counter()
    reports, findings = [], []
    known: pa.Schema | None = None
    for block in _ahead(_blocks(folders)):
        torn.update({each.trial: each.torn for each in block if each.torn})
        table = _by_arrow(block, known)
        if table is None:
            table, damaged = _by_line(block)
            torn.update(damaged)
        if len(table):
            known = _number_types(table)
            reports.append(_numbers(table))
            findings.append(_findings(table))
    return Tables(
        in_order(pd.concat(reports, ignore_index=True)) if reports else pd.DataFrame(columns=KEYS, dtype=int),
        pd.concat(findings, ignore_index=True) if findings else pd.DataFrame(columns=[*KEYS, "check", "message"]),
        torn,
    )


def in_order(reports: pd.DataFrame) -> pd.DataFrame:
    """By trial and epoch; of an epoch that is there twice, the later line."""
    step = reports["trial"].to_numpy() * 1_000_000.0 + reports["epoch"].to_numpy()
    if (np.diff(step) > 0).all():
        return reports
    ordered = reports.sort_values(list(KEYS), kind="stable")
    return ordered.drop_duplicates(list(KEYS), keep="last").reset_index(drop=True)


def scored(reports: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    """The reports with every column of the objective, and seconds: worked out as `Objective.score` does, else NaN.

    A report whose metrics do not suffice for that has NaN for `objective/feasible`.
    """
    metrics = [*(goal.metric for goal in objective.goals), *objective.constraints]
    lacking = [name for name in (VALUE, VIOLATION, FEASIBLE, SECONDS, *metrics) if name not in reports]
    reports = reports.assign(**dict.fromkeys(lacking, np.nan))
    if reports[[VALUE, VIOLATION, FEASIBLE]].notna().all(axis=None):
        return reports
    exceeded = pd.Series(0.0, index=reports.index)
    for metric, bound in objective.constraints.items():
        share = (reports[metric] - bound) / max(abs(bound), 1e-12)
        exceeded += share.mask(share <= 0, 0.0)
    violation = reports[VIOLATION].fillna(exceeded)
    feasible = (violation == 0).astype(float).where(violation.notna())
    value = reports[VALUE].fillna(reports[objective.first.metric])
    return reports.assign(**{VALUE: value, VIOLATION: violation, FEASIBLE: reports[FEASIBLE].fillna(feasible)})


def best_reports(reports: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    """Each trial's best one of some `scored` reports, by trial: last stage, least violation, best value, first epoch.

    One without a value, or of which it is not known whether constraints are kept, is none; a violation that is no
    number is the greatest.
    """
    starts = starts_of(reports)
    lengths = np.diff(np.append(starts, len(reports)))
    known = (reports[VALUE].notna() & reports[FEASIBLE].notna()).to_numpy()
    if STAGE in reports:
        stage = reports[STAGE].fillna(0).to_numpy()
        known = known & (stage == np.repeat(np.maximum.reduceat(stage, starts), lengths))
    violation = np.where(known, reports[VIOLATION].fillna(np.inf), np.inf)
    least = known & (violation == np.repeat(np.minimum.reduceat(violation, starts), lengths))
    value = np.where(least, reports[VALUE] * objective.first.sign, -np.inf)
    best = least & (value == np.repeat(np.maximum.reduceat(value, starts), lengths))
    return reports[best].drop_duplicates("trial").set_index("trial")


def starts_of(reports: pd.DataFrame) -> np.ndarray:
    """Where each trial's reports begin; they are in the order of trials and epochs."""
    return np.flatnonzero(np.diff(reports["trial"].to_numpy(), prepend=-1))


def _blocks(folders: Mapping[int, Path]) -> Iterator[list[Lines]]:
    """The files in portions that fit into memory beside the tables."""
    block: list[Lines] = []
    size = 0
    for trial, folder in folders.items():
        block.append(_lines(trial, folder))
        size += len(block[-1].data)
        if size > BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def _ahead(blocks: Iterator[list[Lines]]) -> Iterator[list[Lines]]:
    """The blocks, the next one being read while one is at work with the last."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, blocks, None)
        while (block := following.result()) is not None:
            following = reader.submit(next, blocks, None)
            yield block


def _lines(trial: int, folder: Path) -> Lines:
    """A trial's file; nothing where there is none."""
    try:
        found = (folder / RESULT).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Lines(trial, b"", 0, 0)
    end = found.rfind(b"\n") + 1
    return Lines(trial, found[:end], found.count(b"\n"), int(end < len(found)))


def _by_arrow(block: Sequence[Lines], known: pa.Schema | None) -> pa.Table | None:
    """The lines of some trials as a table; None if one of them is damaged, or a key changes its type.

    Args:
        known: types of keys, which need not be guessed then.
    """
    data = b"".join(each.data for each in block)
    if not data:
        return pa.table({})
    try:
        table = arrow_json.read_json(
            pa.BufferReader(data),
            read_options=arrow_json.ReadOptions(block_size=16 << 20),
            parse_options=arrow_json.ParseOptions(explicit_schema=known),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != sum(each.total for each in block):
        return None
    if "epoch" not in table.column_names or not pa.types.is_integer(table.schema.field("epoch").type):
        return None
    if table["epoch"].null_count:
        return None
    numbers = np.repeat([each.trial for each in block], [each.total for each in block])
    return table.append_column("trial", pa.array(numbers))


def _number_types(table: pa.Table) -> pa.Schema:
    """The numbers of a table by name: epochs are whole, everything else is not."""
    return pa.schema([("epoch", pa.int64()), *((name, pa.float64()) for name in _numeric(table))])


def _numeric(table: pa.Table) -> list[str]:
    """The keys that hold numbers, but for trial and epoch."""
    kinds = {each.name: each.type for each in table.schema if each.name not in KEYS}
    return [name for name, kind in kinds.items() if pa.types.is_floating(kind) or pa.types.is_integer(kind)]


def _by_line(block: Sequence[Lines]) -> tuple[pa.Table, Counter[int]]:
    """The same one line at a time, which is slow, without those that cannot be read; and how many these are."""
    rows: list[dict[str, Any]] = []
    damaged: Counter[int] = Counter()
    for each in block:
        for line in filter(bytes.strip, each.data.split(b"\n")):
            try:
                values = json.loads(line)
                epoch = int(values["epoch"])
            except (ValueError, KeyError, TypeError):
                damaged[each.trial] += 1
                continue
            numbers = {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
            findings = [finding for finding in values.get("findings") or [] if isinstance(finding, dict)]
            rows.append({**numbers, "findings": findings, "trial": each.trial, "epoch": epoch})
    return pa.Table.from_pylist(_same_keys(rows)), damaged


def _same_keys(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Arrow takes the columns from the first row."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key) for key in keys} for row in rows]


def _numbers(table: pa.Table) -> pd.DataFrame:
    numeric = _numeric(table)
    frame = table.select([*KEYS, *numeric]).to_pandas()
    return frame.astype({**dict.fromkeys(KEYS, int), **dict.fromkeys(numeric, float)})


def _findings(table: pa.Table) -> pd.DataFrame:
    """A row per finding; a table of reports without any has an untyped column."""
    empty = pd.DataFrame(columns=[*KEYS, "check", "message"])
    if "findings" not in table.column_names or not pa.types.is_list(table.schema.field("findings").type):
        return empty
    column = table["findings"].combine_chunks()
    flat = pc.list_flatten(column)
    if not pa.types.is_struct(flat.type):
        return empty
    rows = table.select(list(KEYS)).take(pc.list_parent_indices(column)).to_pandas()
    said = pd.DataFrame(flat.to_pylist(), columns=["check", "message"])
    return pd.concat([rows, said], axis=1)
