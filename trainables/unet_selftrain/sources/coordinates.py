"""`coordinates.json`: the centres of the particles of every micrograph below `images/`.

It reads `{file: [[x, y], …]}`. A file is named with its extension, by its name or by its path relative to `images/`.
x is the column and y the row in pixels of the stored file, counted from 0 at the first column of its first row. For MRC
that is `data[y, x]` as mrcfile gives it: y counts from the first row in the file, even if a program draws that row at
the bottom. Every micrograph has its entry, an empty one where it shows no particle.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainables.settings import UsageError, abbreviate

IMAGES, COORDINATES = "images", "coordinates.json"


def read_coordinates(file: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the centres float32 `[n, 2]` of every micrograph, and see that micrographs and entries match.

    Args:
        file: `coordinates.json`.
        names: of all micrographs, as paths relative to `images/`.

    Raises:
        UsageError: the file is missing or unreadable, or does not match the micrographs.
    """
    entries = _read_entries(file)
    points: dict[str, np.ndarray] = {}
    candidates = _names_by_key(names)
    if strays := [key for key in entries if key not in candidates]:
        raise UsageError(
            f"{file.name} names what {IMAGES}/ does not hold: {abbreviate(strays)}; name files with their ending, and "
            f"where need be with their folder below {IMAGES}/."
        )
    for key, entry in entries.items():
        if len(candidates[key]) > 1:
            raise UsageError(
                f"'{key}' in {file.name} may be {abbreviate(candidates[key])}: give paths relative to {IMAGES}/."
            )
        name = candidates[key][0]
        if name in points:
            raise UsageError(f"{name} has two entries in {file.name}: put its particles into one.")
        points[name] = _to_points(key, entry, file)
    if missing := [name for name in names if name not in points]:
        raise UsageError(f"{file.name} lacks {abbreviate(missing)}: give a micrograph without particles an empty list.")
    return points


def _read_entries(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise UsageError(f'{file} is missing: it holds the particles\' centres, {{"FILE": [[x, y], …]}}.')
    try:
        entries = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_refuse_duplicates)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no JSON: {error}.") from error
    if not isinstance(entries, dict):
        raise UsageError(f'{file} holds no object: it must read {{"FILE": [[x, y], …]}}.')
    return entries


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):  # json would keep the last one, and lose the particles of the others
        keys = [key for key, _ in pairs]
        duplicate = next(key for key in keys if keys.count(key) > 1)
        raise UsageError(f"'{duplicate}' has two entries in {COORDINATES}: put its particles into one.")
    return entries


def _names_by_key(names: Iterable[str]) -> Mapping[str, list[str]]:
    """List the micrographs that a key may mean: a relative path means one file, a name all files of that name."""
    candidates: dict[str, list[str]] = {}
    for name in names:
        candidates.setdefault(name.rpartition("/")[2], []).append(name)
    return candidates | {name: [name] for name in names}


def _to_points(key: str, entry: Any, file: Path) -> np.ndarray:
    try:
        points = np.array(entry)
    except ValueError:  # rows of different lengths
        points = np.array(None)
    if isinstance(entry, list) and not entry:
        return np.empty((0, 2), np.float32)
    if points.dtype.kind not in "iuf" or points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise UsageError(f"'{key}' in {file.name} is no list of pairs of numbers: give [[x, y], …].")
    return points.astype(np.float32)
