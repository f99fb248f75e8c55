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
from trainables.seq_attention.annotations import check_apart, chosen, read_json
from trainables.seq_attention.config import Data
from trainables.seq_attention.scenes import Listed
from trainables.settings import Notice, UsageError, a_few

_POINTS, _SPLITS, _CLASSES = "annotation_FSC147_384.json", "Train_Test_Val_FSC_147.json", "ImageClasses_FSC147.txt"
_IMAGES = "images_384_VarV2"


def listed(data: Data, split: Split) -> list[Listed]:
    """One split of the folder `data.root`, by name; opens no image. Only images of `data.categories` are in it.

    Raises:
        UsageError: files that are missing, broken or at odds with themselves, a class that there is not, or an image in
            two splits, whichever split is asked for.
    """
    return _splits(data.folder, data.categories)[split]


@lru_cache(maxsize=2)
def _splits(root: Path, categories: str | None) -> dict[Split, list[Listed]]:
    annotated = read_json(root / _POINTS, {})
    names = _names(root / _SPLITS)
    classes = _classes(root / _CLASSES)
    check_apart(names, _SPLITS)
    for split, each in names.items():
        for where, known in ((_POINTS, annotated), (_CLASSES, classes)):
            if lacking := [name for name in each if name not in known]:
                raise UsageError(f"{where} lacks {a_few(lacking)} of the {split} split: get the files anew.")
    _warn_of_shared({split: {classes[name] for name in each} for split, each in names.items()})
    asked = chosen(categories, [classes[name] for each in names.values() for name in each])
    return {
        split: [
            Listed(name, root / _IMAGES / name, None, _points(name, annotated[name]))
            for name in sorted(each)
            if classes[name] in asked
        ]
        for split, each in names.items()
    }


def _names(file: Path) -> dict[Split, list[str]]:
    """The images of each split, each once; the file's other lists, of COCO's classes, are parts of these."""
    content = read_json(file, dict.fromkeys(get_args(Split), list))
    return {split: list(dict.fromkeys(map(str, content[split]))) for split in get_args(Split)}


def _classes(file: Path) -> dict[str, str]:
    """The class of each image."""
    if not file.is_file():
        raise UsageError(f"{file} is missing: data.root is the folder that holds the annotations.")
    lines = [line for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if wrong := [line for line in lines if "\t" not in line.strip()]:
        raise UsageError(f"{file} has the line '{wrong[0]}': it must read FILE, a tab, CLASS.")
    pairs = (line.strip().split("\t", 1) for line in lines)
    return {name.strip(): kind.strip() for name, kind in pairs}


def _warn_of_shared(classes: Mapping[Split, set[str]]) -> None:
    for one, other in combinations(classes, 2):
        if shared := sorted(classes[one] & classes[other]):
            warnings.warn(
                f"{one} and {other} share the classes {a_few(shared)}: those of FSC-147 have none in common, so that a "
                "network is judged on what it has not seen.",
                Notice,
                stacklevel=2,
            )


def _points(name: str, entry: Any) -> np.ndarray:
    """float32 `[n, 2]`."""
    points = entry.get("points") if isinstance(entry, dict) else None
    if not isinstance(points, list) or not all(_is_point(each) for each in points):
        raise UsageError(f"{name} in {_POINTS} has no list of points [[x, y], …] of finite numbers: correct it.")
    return np.array(points, np.float32).reshape(-1, 2)


def _is_point(point: Any) -> bool:
    numbers = isinstance(point, Sequence) and len(point) == 2 and all(isinstance(each, int | float) for each in point)
    return numbers and bool(np.isfinite(point).all())
