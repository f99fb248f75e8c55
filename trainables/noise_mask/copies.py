"""Files that are in two splits under two names: who trains on a test image knows its answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainables.cache import content, in_threads
from trainables.contract import Split

_ORDER: tuple[Split, ...] = ("test", "val", "train")  # what is in an earlier one must not be in a later one


def across(splits: Mapping[Split, Sequence[Path]]) -> dict[Path, Path]:
    """Training files that are also in validation or test, and validation files that are also in test, byte by byte.

    Files that were compressed anew, and others that merely look alike, are not found. Unreadable files are no copies.

    Returns:
        Each such file → one of the same bytes in the other split.
    """
    files = [file for split in _ORDER for file in splits[split]]
    places = [place for place, split in enumerate(_ORDER) for _ in splits[split]]
    contents = in_threads(content, files, "looking for copies")
    alike: dict[tuple[int, str], list[int]] = {}
    sure: dict[int, bool] = {}
    for index, found in enumerate(contents):
        if not found.problem:
            alike.setdefault((found.length, found.digest), []).append(index)
            sure[index] = found.whole
    copies: dict[Path, Path] = {}
    for group in alike.values():
        if places[group[0]] == places[group[-1]]:
            continue  # in one split alone: they are in the order of splits
        first: dict[str, int] = {}
        for index in group:
            original = first.setdefault("" if sure[index] else _digest(files[index]), index)
            if places[original] != places[index]:
                copies[files[index]] = files[original]
    return copies


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
