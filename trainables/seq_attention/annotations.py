"""What the readers of annotations share: JSON that may be broken, names of categories, splits that must not meet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from trainables.contract import Split
from trainables.settings import UsageError, a_few, unknown

SLACK = 1.0
"""Pixels that a point may lie outside its image: tools round boxes and sizes. It is moved to the edge."""


def read_json(file: Path, keys: Mapping[str, type]) -> dict[str, Any]:
    """A file's object, of which some keys are known to be there, and lists or objects as `keys` says.

    Raises:
        UsageError: a file that is missing, broken or lacks a key.
    """
    if not file.is_file():
        raise UsageError(f"{file} is missing: data.root is the folder that holds the annotations.")
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no JSON: {error}; get it anew.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{file} holds no object, but a {type(content).__name__}: get the file that belongs here.")
    for key, kind in keys.items():
        if not isinstance(content.get(key), kind):
            raise UsageError(f"{file} lacks '{key}', a {kind.__name__}: get the file that belongs here.")
    return content


def chosen(categories: str | None, names: Iterable[str]) -> set[str]:
    """The categories that `data.categories` asks for; all of them where it is not given.

    Raises:
        UsageError: one that there is not.
    """
    known = sorted(set(names))
    asked = known if categories is None else [each.strip() for each in categories.split(",")]
    for each in asked:
        if each not in known:
            raise UsageError(f"data.categories={categories}: {unknown(each, known, what='category')}")
    return set(asked)


def check_apart(names: Mapping[Split, Iterable[str]], where: str) -> None:
    """See that no image is in two splits.

    Raises:
        UsageError: one is.
    """
    for one, other in combinations(names, 2):
        if shared := sorted(set(names[one]) & set(names[other])):
            raise UsageError(
                f"{where} has {a_few(shared)} in both {one} and {other}: what is learnt cannot be judged on the same "
                "images; take them out of one."
            )


def check_inside(name: str, points: np.ndarray, size: Sequence[int] | np.ndarray) -> None:
    """See that points `[n, 2]` lie in an image of `size` (width, height), or within a pixel of it.

    Raises:
        UsageError: one does not.
    """
    outside = ((points < -SLACK) | (points > np.asarray(size) + SLACK)).any(axis=1)
    if outside.any():
        x, y = points[outside][0]
        raise UsageError(
            f"{name} has an object at x={x:g}, y={y:g}, outside its {size[0]}×{size[1]} pixels ({outside.sum()} of "
            f"{len(points)} are): give coordinates in pixels of the image's file."
        )
