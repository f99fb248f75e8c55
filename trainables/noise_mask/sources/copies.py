"""Files that are in two splits under two names: a model that trains on a test image knows its answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from trainables.contract import Split
from trainables.images.cache import build_once, map_in_threads
from trainables.images.same_content import Content, identify_content

_ORDER: tuple[Split, ...] = ("test", "val", "train")  # what is in an earlier one must not be in a later one
_COPIES_FILE = "copies.json"


class _File(NamedTuple):
    name: str
    path: Path
    split_index: int  # in the order above


def find_copies(root: Path, splits: Mapping[Split, Sequence[str]], cache: str) -> dict[str, str]:
    """Find training files that are in validation or test as well, and validation files in test, byte by byte.

    Images that were compressed again or merely look alike are not found. A file that is empty or cannot be read is no
    copy.

    Args:
        root: folder of the files.
        splits: their names below it.
        cache: folder that remembers the result until a file has another size or time.

    Returns:
        The name of each such file → that of one of the same bytes in the other split.
    """
    files = [_File(name, root / name, index) for index, split in enumerate(_ORDER) for name in splits[split]]
    folder = build_once(
        Path(cache).expanduser() / f"copies-{_key(files)}",
        lambda folder: _write(folder, _compare(files)),
    )
    copies: dict[str, str] = json.loads((folder / _COPIES_FILE).read_text(encoding="utf-8"))
    return copies


def _key(files: Sequence[_File]) -> str:
    digest = hashlib.sha256()
    for name, path, index in files:
        facts = path.stat() if path.exists() else None
        digest.update(json.dumps([index, name, facts and [facts.st_size, facts.st_mtime_ns]]).encode())
    return digest.hexdigest()[:32]


def _write(folder: Path, copies: Mapping[str, str]) -> None:
    (folder / _COPIES_FILE).write_text(json.dumps(copies), encoding="utf-8")


def _compare(files: Sequence[_File]) -> dict[str, str]:
    contents = map_in_threads(identify_content, [file.path for file in files], "looking for copies")
    groups: dict[Content, list[_File]] = {}
    for file, content in zip(files, contents, strict=True):
        if content.length and not content.problem:
            groups.setdefault(content, []).append(file)
    # Files stand in the order of their splits, so a group's first and last one tell whether it spans two of them.
    suspects = {content: group for content, group in groups.items() if group[0].split_index != group[-1].split_index}
    short = [(content.digest, file) for content, group in suspects.items() if content.complete for file in group]
    long = [file for content, group in suspects.items() if not content.complete for file in group]
    digests = map_in_threads(_hash_file, [file.path for file in long], "comparing files")  # their ends are equal
    originals: dict[str, _File] = {}
    copies: dict[str, str] = {}
    for digest, file in [*short, *zip(digests, long, strict=True)]:
        original = originals.setdefault(digest, file) if digest else file
        if original.split_index != file.split_index:
            copies[file.name] = original.name
    return copies


def _hash_file(path: Path) -> str:
    """Digest all bytes; empty where they cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:  # reported when the image is decoded
        return ""
