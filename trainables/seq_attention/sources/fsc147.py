"""Objects of FSC-147: points in images of 147 classes, of which each image shows one.

The folder holds `annotation_FSC147_384.json`, `Train_Test_Val_FSC_147.json`, `ImageClasses_FSC147.txt` and
`images_384_VarV2/`. Points are in pixels of the resized images in that folder, while `H` and `W` are the size before:
they are not read.

Source: Ranjan et al. 2021, Learning to count everything, and https://github.com/cvlab-stonybrook/LearningToCountEverything
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import numpy as np

from trainables.contract import Split
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.sources.annotations import (
    AnnotatedImage,
    check_disjoint,
    count_points,
    read_json,
    select_categories,
)
from trainables.seq_attention.sources.decoding import decode_split
from trainables.seq_attention.split import Scenes
from trainables.settings import Notice, UsageError, abbreviate

_POINTS, _SPLITS, _CLASSES = "annotation_FSC147_384.json", "Train_Test_Val_FSC_147.json", "ImageClasses_FSC147.txt"
_IMAGES = "images_384_VarV2"


def load(config: Config, data: Data, split: Split) -> Scenes:
    """Load one split of the folder `data.root`.

    Raises:
        UsageError: as `list_images` and `decode_split` do.
    """
    return decode_split(list_images(data, split), config, data, split)


def count_objects(data: Data, split: Split) -> np.ndarray:
    """Count the objects of each image of a split, int64 `[N]`; reads no image.

    Raises:
        UsageError: as `list_images` does.
    """
    return count_points(list_images(data, split))


def list_images(data: Data, split: Split) -> list[AnnotatedImage]:
    """List the images of a split of the folder `data.root`, by name, of `data.categories` alone; opens no image.

    Raises:
        UsageError: files that are missing, broken or at odds with themselves, an unknown class, or an image in two
            splits, whichever split is asked for.
    """
    return _splits(data.folder, data.categories)[split]


@lru_cache(maxsize=2)
def _splits(root: Path, categories: str | None) -> dict[Split, list[AnnotatedImage]]:
    annotations = read_json(root / _POINTS, {})
    splits = _split_names(root / _SPLITS)
    classes = _classes(root / _CLASSES)
    check_disjoint(splits, _SPLITS)
    for split, names in splits.items():
        for file, entries in ((_POINTS, annotations), (_CLASSES, classes)):
            if missing := [name for name in names if name not in entries]:
                raise UsageError(f"{file} lacks {abbreviate(missing)} of the {split} split: get the files anew.")
    _warn_of_common_classes({split: {classes[name] for name in names} for split, names in splits.items()})
    selection = select_categories(categories, [classes[name] for names in splits.values() for name in names])
    return {
        split: [
            AnnotatedImage(name, root / _IMAGES / name, None, _points(name, annotations[name]))
            for name in sorted(names)
            if classes[name] in selection
        ]
        for split, names in splits.items()
    }


def _split_names(file: Path) -> dict[Split, list[str]]:
    """Read the images of each split, each once; the file's other lists, of COCO's classes, are parts of these."""
    content = read_json(file, dict.fromkeys(get_args(Split), list))
    return {split: list(dict.fromkeys(map(str, content[split]))) for split in get_args(Split)}


def _classes(file: Path) -> dict[str, str]:
    """Read the class of each image."""
    if not file.is_file():
        raise UsageError(f"{file} is missing: data.root is the folder that holds the annotations.")
    lines = [line for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if wrong := [line for line in lines if "\t" not in line.strip()]:
        raise UsageError(f"{file} has the line '{wrong[0]}': it must read FILE, a tab, CLASS.")
    pairs = (line.strip().split("\t", 1) for line in lines)
    return {name.strip(): kind.strip() for name, kind in pairs}


def _warn_of_common_classes(classes: Mapping[Split, set[str]]) -> None:
    for first, second in combinations(classes, 2):
        if common := sorted(classes[first] & classes[second]):
            warnings.warn(
                f"{first} and {second} share the classes {abbreviate(common)}: those of FSC-147 have none in common, "
                "so that a network is judged on what it has not seen.",
                Notice,
                stacklevel=2,
            )


def _points(name: str, entry: Any) -> np.ndarray:
    """Return the points of an image's entry, float32 `[n, 2]`."""
    points = entry.get("points") if isinstance(entry, dict) else None
    if not isinstance(points, list) or not all(_is_point(point) for point in points):
        raise UsageError(f"{name} in {_POINTS} has no list of points [[x, y], …] of finite numbers: correct it.")
    return np.array(points, np.float32).reshape(-1, 2)


def _is_point(point: Any) -> bool:
    numeric = (
        isinstance(point, Sequence) and len(point) == 2 and all(isinstance(number, int | float) for number in point)
    )
    return numeric and bool(np.isfinite(point).all())
