"""Files that are in two splits under two names: who trains on a test image knows its answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from trainables.contract import Split
from trainables.images.cache import built_once, in_threads
from trainables.images.same_content import Content, content

_ORDER: tuple[Split, ...] = ("test", "val", "train")  # what is in an earlier one must not be in a later one
_FOUND = "copies.json"


class _File(NamedTuple):
    name: str
    path: Path
    place: int  # of its split in the order


def across(root: Path, splits: Mapping[Split, Sequence[str]], cache: str) -> dict[str, str]:
    """Training files that are also in validation or test, and validation files that are also in test, byte by byte.

    Files that were compressed anew, and others that merely look alike, are not found. A file that is empty or cannot be
    read is no copy.

    Args:
        root: folder of the files.
        splits: their names below it.
        cache: folder that remembers what was found, until a file has another size or time.

    Returns:
        The name of each such file → that of one of the same bytes in the other split.
    """
    files = [_File(name, root / name, place) for place, split in enumerate(_ORDER) for name in splits[split]]
    made = built_once(
        Path(cache).expanduser() / f"copies-{_key(files)}",
        lambda folder: _write(folder, _found(files)),
    )
    found: dict[str, str] = json.loads((made / _FOUND).read_text(encoding="utf-8"))
    return found


def _key(files: Sequence[_File]) -> str:
    digest = hashlib.sha256()
    for name, path, place in files:
        facts = path.stat() if path.exists() else None
        digest.update(json.dumps([place, name, facts and [facts.st_size, facts.st_mtime_ns]]).encode())
    return digest.hexdigest()[:32]


def _write(folder: Path, found: Mapping[str, str]) -> None:
    (folder / _FOUND).write_text(json.dumps(found), encoding="utf-8")


def _found(files: Sequence[_File]) -> dict[str, str]:
    contents = in_threads(content, [file.path for file in files], "looking for copies")
    alike: dict[Content, list[_File]] = {}
    for file, each in zip(files, contents, strict=True):
        if each.length and not each.problem:
            alike.setdefault(each, []).append(file)
    shared = {each: group for each, group in alike.items() if group[0].place != group[-1].place}
    sure = [(each.digest, file) for each, group in shared.items() if each.whole for file in group]
    long = [file for each, group in shared.items() if not each.whole for file in group]
    digests = in_threads(_digest, [file.path for file in long], "comparing files")
    first: dict[str, _File] = {}
    copies: dict[str, str] = {}
    for digest, file in [*sure, *zip(digests, long, strict=True)]:
        original = first.setdefault(digest, file) if digest else file
        if original.place != file.place:
            copies[file.name] = original.name
    return copies


def _digest(path: Path) -> str:
    """Of all bytes; empty where they cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:  # told when it is decoded
        return ""
