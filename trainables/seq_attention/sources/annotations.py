"""Annotated images, and what their readers share: JSON that may be broken, categories, splits that must be disjoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainables.contract import Split
from trainables.settings import UsageError, abbreviate, describe_unknown

SLACK = 1.0
"""Pixels that a point may lie outside its image: tools round boxes and sizes. It is moved to the edge."""


class AnnotatedImage(NamedTuple):
    """An image as the annotations have it, before its file is opened.

    Attributes:
        name: of the image, unique in its split.
        file: that holds it.
        size: width and height in pixels that the annotations state, or None.
        points: float32 `[n, 2]`, x and y of its objects in pixels, 0 being the edge of the first pixel.
        categories: names of the n objects' categories; empty where objects have none.
    """

    name: str
    file: Path
    size: tuple[int, int] | None
    points: np.ndarray
    categories: tuple[str, ...] = ()


def count_points(images: Sequence[AnnotatedImage]) -> np.ndarray:
    """Count the objects of each image, int64 `[N]`."""
    return np.array([len(image.points) for image in images], dtype=np.int64)


def read_json(file: Path, keys: Mapping[str, type]) -> dict[str, Any]:
    """Read the object in a JSON file, and see that it has the lists or objects that `keys` names.

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


def select_categories(categories: str | None, names: Iterable[str]) -> set[str]:
    """Return the categories that `data.categories` asks for; all of them where it is not given.

    Raises:
        UsageError: there is no such category.
    """
    all_names = sorted(set(names))
    selection = all_names if categories is None else [name.strip() for name in categories.split(",")]
    for name in selection:
        if name not in all_names:
            raise UsageError(f"data.categories={categories}: {describe_unknown(name, all_names, kind='category')}")
    return set(selection)


def check_disjoint(names: Mapping[Split, Iterable[str]], source: str) -> None:
    """See that no image is in two splits.

    Args:
        names: of the images of each split.
        source: file or folder that has them, for the message.

    Raises:
        UsageError: an image is in two splits.
    """
    for first, second in combinations(names, 2):
        if duplicates := sorted(set(names[first]) & set(names[second])):
            raise UsageError(
                f"{source} has {abbreviate(duplicates)} in both {first} and {second}: what is learnt cannot be judged "
                "on the same images; take them out of one."
            )


def check_inside(name: str, points: np.ndarray, size: Sequence[int] | np.ndarray) -> None:
    """See that points `[n, 2]` lie in an image of `size` (width, height), or within a pixel of it.

    Raises:
        UsageError: a point lies farther outside.
    """
    outside = ((points < -SLACK) | (points > np.asarray(size) + SLACK)).any(axis=1)
    if outside.any():
        x, y = points[outside][0]
        raise UsageError(
            f"{name} has an object at x={x:g}, y={y:g}, outside its {size[0]}×{size[1]} pixels ({outside.sum()} of "
            f"{len(points)} are): give coordinates in pixels of the image's file."
        )
