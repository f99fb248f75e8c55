"""File names that writers and readers of a run agree on, and writing that survives a kill. No torch, no Ray."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULT = "result.json"
LAST = "last.pt"
BEST_WEIGHTS = "best.safetensors"
BEST_REPORT = "best.json"
ERROR = "error.txt"
TIMEOUT = "timeout.txt"


def trial_folder(run: Path, number: int) -> Path:
    """Where trial `number` of a run keeps its files."""
    return run / f"trial_{number:04d}"


def why_it_died(trial: Path) -> str | None:
    """The reason that a trial's process left behind when it died; None where it was killed from outside."""
    if (trial / ERROR).exists():
        return (trial / ERROR).read_text(encoding="utf-8").splitlines()[0]
    if (trial / TIMEOUT).exists() and (trial / TIMEOUT).stat().st_size > 0:
        return f"took longer than trial_timeout_s; {TIMEOUT} in its folder says where it hung"
    return None


def replace_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    partial = path.with_name(f".{path.name}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append one JSON object as a line that is on disk when this returns."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(value) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file, one per line; a missing file has none, and a torn last line is left out."""
    if not path.exists():
        return []
    values = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            values.append(json.loads(line))
        except json.JSONDecodeError:
            break  # only a kill in the middle of a write tears a line, and then it is the last
    return values
