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
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.sources.annotations import (
    AnnotatedImage,
    check_disjoint,
    check_inside,
    count_points,
    read_json,
    select_categories,
)
from trainables.seq_attention.sources.decoding import decode_split
from trainables.seq_attention.split import Scenes
from trainables.settings import UsageError, abbreviate

_KEYS = {"images": list, "annotations": list, "categories": list}


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
    """List the images of a split of the folder `data.root`, by name, those without objects too; opens no image.

    Annotations of crowds (`iscrowd`) are no objects. Splits may share names of images, but no file. Where there is
    no test file, `data.test_share` of the validation images are the test split.

    Raises:
        UsageError: files that are missing, broken or at odds with themselves, an unknown category, or an image in two
            splits, whichever split is asked for.
    """
    return _splits(data.folder, data.categories, data.test_share, data.split_seed)[split]


@lru_cache(maxsize=2)
def _splits(root: Path, categories: str | None, test_share: float, seed: int) -> dict[Split, list[AnnotatedImage]]:
    files = {split: file for split in get_args(Split) if (file := _annotation_file(root, split)) is not None}
    contents = {split: read_json(file, _KEYS) for split, file in files.items()}
    names = {split: _category_names(files[split], content["categories"]) for split, content in contents.items()}
    selection = select_categories(categories, [name for by_id in names.values() for name in by_id.values()])
    splits: dict[Split, list[AnnotatedImage]] = {}
    for split, content in contents.items():
        only = None if categories is None else selection
        splits[split] = _images_of_file(root, files[split], split, content, names[split], only)
    check_disjoint(
        {split: [str(image.file.resolve()) for image in images] for split, images in splits.items()}, str(root)
    )
    if "test" not in splits:
        splits["val"], splits["test"] = _divide(splits["val"], test_share, seed)
    return splits


def _annotation_file(root: Path, split: Split) -> Path | None:
    """Find the annotations of a split; None where a test split has none."""
    folders = (root, root / "annotations")
    exact = [file for folder in folders if (file := folder / f"instances_{split}.json").is_file()]
    files = exact or [file for folder in folders for file in sorted(folder.glob(f"instances_{split}*.json"))]
    if len(files) > 1:
        names = [str(file.relative_to(root)) for file in files]
        raise UsageError(
            f"{root} has several files for {split}, {abbreviate(names)}: name one of them instances_{split}.json."
        )
    if not files and split != "test":
        raise UsageError(
            f"{root} has no instances_{split}.json, and neither has its folder annotations: data.root is the folder "
            "that holds COCO's files."
        )
    return files[0] if files else None


def _category_names(file: Path, categories: Sequence[Any]) -> dict[Any, str]:
    return {
        _value(file, "category", category, "id"): str(_value(file, "category", category, "name"))
        for category in categories
    }


def _images_of_file(
    root: Path, file: Path, split: Split, content: Mapping[str, Any], names: Mapping[Any, str], only: set[str] | None
) -> list[AnnotatedImage]:
    """List the images of one file, by name, with their objects of some categories (None: of all).

    Args:
        root: folder of the data.
        file: with the annotations of the split.
        split: its name.
        content: of the file.
        names: of the file's categories, by their ids.
        only: names of the categories whose objects are listed; with None, objects need no category.
    """
    entries = _image_entries(file, content["images"])
    centres: dict[Any, list[tuple[float, float]]] = {key: [] for key in entries}
    categories: dict[Any, list[str]] = {key: [] for key in entries}
    for annotation in content["annotations"]:
        key = _value(file, "annotation", annotation, "image_id")
        if key not in entries:
            raise UsageError(f"{file} annotates image_id={key}, which is not among its images: take it out.")
        if annotation.get("iscrowd"):
            continue
        if only is not None and names.get(_value(file, "annotation", annotation, "category_id")) not in only:
            continue
        category = annotation.get("category_id")
        categories[key].append(names.get(category, "") if isinstance(category, int | float | str) else "")
        centres[key].append(_centre(entries[key][0], _value(file, "annotation", annotation, "bbox")))
    folder = _image_folder(root, file, split, [name for name, _ in entries.values()])
    images = []
    for key, (name, size) in entries.items():
        points = np.array(centres[key], np.float32).reshape(-1, 2)
        if size is not None:
            check_inside(name, points, size)
        images.append(AnnotatedImage(name, folder / name, size, points, tuple(categories[key])))
    return sorted(images, key=lambda image: image.name)


def _image_entries(file: Path, images: Sequence[Any]) -> dict[Any, tuple[str, tuple[int, int] | None]]:
    """Return name and size of each image by its id."""
    entries: dict[Any, tuple[str, tuple[int, int] | None]] = {}
    names: set[str] = set()
    for image in images:
        key = _value(file, "image", image, "id")
        name = PurePosixPath(str(_value(file, "image", image, "file_name"))).as_posix()
        if key in entries:
            raise UsageError(f"{file} has two images of id={key}: give each its own.")
        if name in names:
            raise UsageError(f"{file} has two images of file_name={name}: put their annotations together.")
        names.add(name)
        entries[key] = (name, _size(file, name, image.get("width"), image.get("height")))
    return entries


def _value(file: Path, kind: str, entry: Any, key: str) -> Any:
    """Return the value that an entry has under a key."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if key.endswith("id") and isinstance(value, float):
        if not value.is_integer():
            raise UsageError(f"{key} is {value}, not a whole number, in {file}, {kind} {str(entry)[:80]}: correct it.")
        return int(value)  # tables of which a column lacks a value are exported so
    if not isinstance(value, list if key == "bbox" else int | str):
        raise UsageError(f"{key} is missing in {file}, {kind} {str(entry)[:80]}: complete it.")
    return value


def _size(file: Path, name: str, width: Any, height: Any) -> tuple[int, int] | None:
    """Return width and height; None where they are not given, or given as 0, as some tools do."""
    if not width or not height:
        return None
    if not all(isinstance(side, int | float) and side > 0 and float(side).is_integer() for side in (width, height)):
        raise UsageError(f"{file} says that {name} is {width}×{height} pixels: correct it, or leave it out.")
    return int(width), int(height)


def _centre(name: str, box: Any) -> tuple[float, float]:
    """Return the middle of a box of x, y, width and height in pixels."""
    numeric = isinstance(box, list) and len(box) == 4 and all(isinstance(number, int | float) for number in box)
    if not numeric or not all(map(math.isfinite, box)) or min(box[2:]) < 0:
        raise UsageError(f"{name} has the box {box}: give x, y, width and height in pixels, the last two not below 0.")
    x, y, width, height = box
    return x + width / 2, y + height / 2


def _image_folder(root: Path, file: Path, split: Split, names: Sequence[str]) -> Path:
    """Find a file's images: `train2017/` for `instances_train2017.json`, alone or in `images/`; or `images/`.

    Where the first image is in none of these, the one folder that holds it and begins with the split's name.
    """
    name = file.stem.removeprefix("instances_")
    folders = [folder for folder in (root / name, root / "images" / name, root / "images", root) if folder.is_dir()]
    matches = [folder for folder in folders if names and (folder / names[0]).is_file()]
    if names and not matches:
        candidates = [folder for parent in (root, root / "images") for folder in parent.glob(f"{split}*")]
        matches = [folder for folder in candidates if (folder / names[0]).is_file()]
        matches = matches if len(matches) == 1 else []  # of several, none is guessed
    return (matches or folders)[0]


def _divide(
    images: Sequence[AnnotatedImage], share: float, seed: int
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """Divide the validation images in validation and the test split."""
    if len(images) < 2:
        raise UsageError(
            f"validation has {len(images)} image to divide, and there is no instances_test.json: add it, or images."
        )
    is_test = split_by_group([image.name for image in images], share, seed)
    val, test = ([image for image, test in zip(images, is_test, strict=True) if test == part] for part in (False, True))
    return val, test
