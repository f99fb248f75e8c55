"""Objects of annotations in COCO's format: the centres of their boxes.

Two layouts are read: `instances_train.json`, `instances_val.json`, `instances_test.json` beside `images/`; and COCO's
own, with `annotations/instances_train2017.json` and `annotations/instances_val2017.json` beside `train2017/` and
`val2017/`. COCO publishes no annotations of its test images: where there are none, part of the validation images
becomes the test split.

Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import numpy as np

from trainables.contract import Split
from trainables.images.squares import split_by_group
from trainables.seq_attention.annotations import check_apart, check_inside, chosen, read_json
from trainables.seq_attention.config import Data
from trainables.seq_attention.scenes import Listed
from trainables.settings import UsageError, a_few

_KEYS = {"images": list, "annotations": list, "categories": list}


def listed(data: Data, split: Split) -> list[Listed]:
    """One split of the folder `data.root`, by name; opens no image. Images without objects are in it.

    Annotations of crowds (`iscrowd`) are no objects. Splits may share names of images, but no file. Where there is
    no test file, `data.test_share` of the validation images are the test split.

    Raises:
        UsageError: files that are missing, broken or at odds with themselves, a category that there is not, or an
            image in two splits, whichever split is asked for.
    """
    return _splits(data.folder, data.categories, data.test_share, data.split_seed)[split]


@lru_cache(maxsize=2)
def _splits(root: Path, categories: str | None, test_share: float, seed: int) -> dict[Split, list[Listed]]:
    files = {split: file for split in get_args(Split) if (file := _file(root, split)) is not None}
    contents = {split: read_json(file, _KEYS) for split, file in files.items()}
    named = {split: _categories(files[split], each["categories"]) for split, each in contents.items()}
    asked = chosen(categories, [name for each in named.values() for name in each.values()])
    found: dict[Split, list[Listed]] = {}
    for split, content in contents.items():
        wanted = None if categories is None else {key for key, name in named[split].items() if name in asked}
        found[split] = _listed(root, files[split], split, content, wanted)
    check_apart({split: [str(each.file.resolve()) for each in images] for split, images in found.items()}, str(root))
    if "test" not in found:
        found["val"], found["test"] = _divided(found["val"], test_share, seed)
    return found


def _file(root: Path, split: Split) -> Path | None:
    """The annotations of a split; None where a test split has none."""
    folders = (root, root / "annotations")
    exact = [file for each in folders if (file := each / f"instances_{split}.json").is_file()]
    found = exact or [file for each in folders for file in sorted(each.glob(f"instances_{split}*.json"))]
    if len(found) > 1:
        raise UsageError(
            f"{root} has several files for {split}, {a_few([str(each.relative_to(root)) for each in found])}: name one "
            f"of them instances_{split}.json."
        )
    if not found and split != "test":
        raise UsageError(
            f"{root} has no instances_{split}.json, and neither has its folder annotations: data.root is the folder "
            "that holds COCO's files."
        )
    return found[0] if found else None


def _categories(file: Path, categories: Sequence[Any]) -> dict[Any, str]:
    return {_value(file, "category", each, "id"): str(_value(file, "category", each, "name")) for each in categories}


def _listed(root: Path, file: Path, split: Split, content: Mapping[str, Any], wanted: set[Any] | None) -> list[Listed]:
    """The images of one file, by name, with their objects of the wanted categories (None: of all)."""
    images = _images(file, content["images"])
    centres: dict[Any, list[tuple[float, float]]] = {key: [] for key in images}
    for each in content["annotations"]:
        key = _value(file, "annotation", each, "image_id")
        if key not in images:
            raise UsageError(f"{file} annotates image_id={key}, which is not among its images: take it out.")
        if each.get("iscrowd") or (
            wanted is not None and _value(file, "annotation", each, "category_id") not in wanted
        ):
            continue
        centres[key].append(_centre(images[key][0], _value(file, "annotation", each, "bbox")))
    folder = _folder(root, file, split, [name for name, _ in images.values()])
    found = []
    for key, (name, size) in images.items():
        points = np.array(centres[key], np.float32).reshape(-1, 2)
        if size is not None:
            check_inside(name, points, size)
        found.append(Listed(name, folder / name, size, points))
    return sorted(found, key=lambda each: each.name)


def _images(file: Path, images: Sequence[Any]) -> dict[Any, tuple[str, tuple[int, int] | None]]:
    """Name and size of each image by its id."""
    found: dict[Any, tuple[str, tuple[int, int] | None]] = {}
    names: set[str] = set()
    for each in images:
        key = _value(file, "image", each, "id")
        name = PurePosixPath(str(_value(file, "image", each, "file_name"))).as_posix()
        if key in found:
            raise UsageError(f"{file} has two images of id={key}: give each its own.")
        if name in names:
            raise UsageError(f"{file} has two images of file_name={name}: put their annotations together.")
        names.add(name)
        found[key] = (name, _size(file, name, each.get("width"), each.get("height")))
    return found


def _value(file: Path, what: str, entry: Any, key: str) -> Any:
    """What an entry says under a key."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if key.endswith("id") and isinstance(value, float):
        if not value.is_integer():
            raise UsageError(f"{key} is {value}, not a whole number, in {file}, {what} {str(entry)[:80]}: correct it.")
        return int(value)  # tables of which a column lacks a value are exported so
    if not isinstance(value, list if key == "bbox" else int | str):
        raise UsageError(f"{key} is missing in {file}, {what} {str(entry)[:80]}: complete it.")
    return value


def _size(file: Path, name: str, width: Any, height: Any) -> tuple[int, int] | None:
    """Width and height; None where they are not given, or given as 0, as some tools do."""
    if not width or not height:
        return None
    if not all(isinstance(each, int | float) and each > 0 and float(each).is_integer() for each in (width, height)):
        raise UsageError(f"{file} says that {name} is {width}×{height} pixels: correct it, or leave it out.")
    return int(width), int(height)


def _centre(name: str, box: Any) -> tuple[float, float]:
    """The middle of a box, x, y, width and height in pixels."""
    numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(each, int | float) for each in box)
    if not numbers or not all(map(math.isfinite, box)) or min(box[2:]) < 0:
        raise UsageError(f"{name} has the box {box}: give x, y, width and height in pixels, the last two not below 0.")
    x, y, width, height = box
    return x + width / 2, y + height / 2


def _folder(root: Path, file: Path, split: Split, names: Sequence[str]) -> Path:
    """Where a file's images are: `train2017/` for `instances_train2017.json`, alone or in `images/`; or `images/`.

    Where the first image is in none of these, the one folder that holds it and begins with the split's name.
    """
    own = file.stem.removeprefix("instances_")
    folders = [each for each in (root / own, root / "images" / own, root / "images", root) if each.is_dir()]
    holding = [each for each in folders if names and (each / names[0]).is_file()]
    if names and not holding:
        begun = [each for parent in (root, root / "images") for each in parent.glob(f"{split}*")]
        holding = [each for each in begun if (each / names[0]).is_file()]
        holding = holding if len(holding) == 1 else []  # of several, none is guessed
    return (holding or folders)[0]


def _divided(images: Sequence[Listed], share: float, seed: int) -> tuple[list[Listed], list[Listed]]:
    """Validation, and the part of it that becomes the test split."""
    if len(images) < 2:
        raise UsageError(
            f"validation has {len(images)} image to divide, and there is no instances_test.json: add it, or images."
        )
    held_out = split_by_group([each.name for each in images], share, seed)
    val, test = ([image for image, out in zip(images, held_out, strict=True) if out == part] for part in (False, True))
    return val, test
