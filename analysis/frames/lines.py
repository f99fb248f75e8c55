"""The `reports.jsonl` of many trials as one table: whole lines are parsed by Arrow, damaged ones counted."""

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

from trainables.files import result_file
from trainables.objective import STAGE_NAME

BLOCK_BYTES = 64 << 20  # bytes of lines that are parsed together
KEYS = ("trial", "epoch")


class TrialLines(NamedTuple):
    """A trial's file: its bytes up to the last line break, their line count, and 1 if an unfinished line follows."""

    trial: int
    data: bytes
    line_count: int
    torn_count: int


class Tables(NamedTuple):
    """Reports and findings as data frames, and the number of damaged lines by trial."""

    reports: pd.DataFrame
    findings: pd.DataFrame
    torn_counts: Counter[int]


def read_tables(folders: Mapping[int, Path]) -> Tables:
    """Read what trials reported: every number and the stage (sorted by `trial` and `epoch`), and every health finding.

    Args:
        folders: of the trials, by number.
    """
    torn_counts: Counter[int] = Counter()
    reports, findings = [], []
    schema: pa.Schema | None = None
    for block in _prefetch(_read_blocks(folders)):
        torn_counts.update({lines.trial: lines.torn_count for lines in block if lines.torn_count})
        table = _parse_by_arrow(block, schema)
        if table is None:
            table, damaged_counts = _parse_by_line(block)
            torn_counts.update(damaged_counts)
        if len(table):
            schema = _number_schema(table)
            reports.append(_select_numbers(table))
            findings.append(_select_findings(table))
    return Tables(
        sort_reports(pd.concat(reports, ignore_index=True)) if reports else pd.DataFrame(columns=KEYS, dtype=int),
        pd.concat(findings, ignore_index=True) if findings else pd.DataFrame(columns=[*KEYS, "check", "message"]),
        torn_counts,
    )


def sort_reports(reports: pd.DataFrame) -> pd.DataFrame:
    """Sort reports by trial and epoch; of an epoch that occurs twice, keep the later line."""
    position = reports["trial"].to_numpy() * 1_000_000.0 + reports["epoch"].to_numpy()
    if (np.diff(position) > 0).all():  # the usual case: sorting 10,000 trials costs more than this check
        return reports
    sorted_reports = reports.sort_values(list(KEYS), kind="stable")
    return sorted_reports.drop_duplicates(list(KEYS), keep="last").reset_index(drop=True)


def _read_blocks(folders: Mapping[int, Path]) -> Iterator[list[TrialLines]]:
    """Read the files in blocks that fit into memory beside the tables."""
    block: list[TrialLines] = []
    size = 0
    for trial, folder in folders.items():
        block.append(_read_lines(trial, folder))
        size += len(block[-1].data)
        if size > BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _prefetch(blocks: Iterator[list[TrialLines]]) -> Iterator[list[TrialLines]]:
    """Yield the blocks, reading the next one while the caller works on the present one."""
    with ThreadPoolExecutor(1) as reader:
        future = reader.submit(next, blocks, None)
        while (block := future.result()) is not None:
            future = reader.submit(next, blocks, None)
            yield block


def _read_lines(trial: int, folder: Path) -> TrialLines:
    """Read a trial's file; without a file there are no lines."""
    try:
        data = result_file(folder).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return TrialLines(trial, b"", 0, 0)
    end = data.rfind(b"\n") + 1
    return TrialLines(trial, data[:end], data.count(b"\n"), int(end < len(data)))


def _parse_by_arrow(block: Sequence[TrialLines], schema: pa.Schema | None) -> pa.Table | None:
    """Parse the lines of some trials into a table; None if one of them is damaged, or a key changes its type.

    Args:
        schema: types of keys that Arrow need not infer.
    """
    data = b"".join(lines.data for lines in block)
    if not data:
        return pa.table({})
    try:
        table = arrow_json.read_json(
            pa.BufferReader(data),
            read_options=arrow_json.ReadOptions(block_size=16 << 20),
            parse_options=arrow_json.ParseOptions(explicit_schema=schema),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != sum(lines.line_count for lines in block):
        return None
    if "epoch" not in table.column_names or not pa.types.is_integer(table.schema.field("epoch").type):
        return None
    if table["epoch"].null_count:
        return None
    numbers = np.repeat([lines.trial for lines in block], [lines.line_count for lines in block])
    return table.append_column("trial", pa.array(numbers))


def _number_schema(table: pa.Table) -> pa.Schema:
    """Return the types of a table's numbers: epochs are integers, all others floats."""
    return pa.schema([("epoch", pa.int64()), *((name, pa.float64()) for name in _numeric_keys(table))])


def _numeric_keys(table: pa.Table) -> list[str]:
    """List the keys that hold numbers, except trial and epoch."""
    fields = [field for field in table.schema if field.name not in KEYS]
    return [field.name for field in fields if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)]


def _parse_by_line(block: Sequence[TrialLines]) -> tuple[pa.Table, Counter[int]]:
    """Parse one line at a time, which is slow; skip those that cannot be read, and count them by trial."""
    rows: list[dict[str, Any]] = []
    damaged_counts: Counter[int] = Counter()
    for lines in block:
        for line in filter(bytes.strip, lines.data.split(b"\n")):
            try:
                values = json.loads(line)
                epoch = int(values["epoch"])
            except (ValueError, KeyError, TypeError):
                damaged_counts[lines.trial] += 1
                continue
            numbers = {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
            findings = [finding for finding in values.get("findings") or [] if isinstance(finding, dict)]
            stage = {STAGE_NAME: values[STAGE_NAME]} if isinstance(values.get(STAGE_NAME), str) else {}
            rows.append({**numbers, **stage, "findings": findings, "trial": lines.trial, "epoch": epoch})
    return pa.Table.from_pylist(_unify_keys(rows)), damaged_counts


def _unify_keys(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give all rows the same keys, because Arrow takes the columns from the first row."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key) for key in keys} for row in rows]


def _select_numbers(table: pa.Table) -> pd.DataFrame:
    keys = _numeric_keys(table)
    names = [field.name for field in table.schema if field.name == STAGE_NAME and pa.types.is_string(field.type)]
    frame = table.select([*KEYS, *keys, *names]).to_pandas()
    return frame.astype({**dict.fromkeys(KEYS, int), **dict.fromkeys(keys, float)})


def _select_findings(table: pa.Table) -> pd.DataFrame:
    """Return a row per finding; where no report has any, Arrow gives the column no type."""
    empty = pd.DataFrame(columns=[*KEYS, "check", "message"])
    if "findings" not in table.column_names or not pa.types.is_list(table.schema.field("findings").type):
        return empty
    column = table["findings"].combine_chunks()
    flat = pc.list_flatten(column)
    if not pa.types.is_struct(flat.type):
        return empty
    rows = table.select(list(KEYS)).take(pc.list_parent_indices(column)).to_pandas()
    findings = pd.DataFrame(flat.to_pylist(), columns=["check", "message"])
    return pd.concat([rows, findings], axis=1)
