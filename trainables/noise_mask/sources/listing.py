"""The image files of a folder by split and class, as its subfolders say; no file is opened.

`val` may also be called `valid`, `validation` or `dev`, and the others `training` and `testing`. Images may lie in
folders below a class.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from trainables.contract import Split
from trainables.settings import Notice, UsageError, abbreviate

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
"""Endings of image files, in small letters; other files are passed over."""

_SPLIT_FOLDERS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


class ImageFile(NamedTuple):
    """An image by its path below the root."""

    name: str
    label: str
    file: Path


def list_splits(root: Path) -> dict[Split, list[ImageFile]]:
    """List the images of every split that has a folder; all are `train` where there are only folders of classes.

    Raises:
        UsageError: two folders of one split, no training images, or a class folder without images.
    """
    folders = _subfolders(root)
    by_split = {
        split: [folder for folder in folders if folder.name.lower() in names] for split, names in _SPLIT_FOLDERS.items()
    }
    for split, matches in by_split.items():
        if len(matches) > 1:
            raise UsageError(
                f"{root} has {abbreviate([folder.name for folder in matches])}, which all mean {split}: "
                "keep one of them."
            )
    if not any(by_split.values()):
        return {"train": list(_list_classes(root, root))}
    if unused := [folder.name for folder in folders if not any(folder in matches for matches in by_split.values())]:
        warnings.warn(
            f"{root} has {abbreviate(unused)} beside its splits, where nothing is read.", Notice, stacklevel=2
        )
    if not by_split["train"]:
        names = abbreviate([folder.name for matches in by_split.values() for folder in matches])
        raise UsageError(f"{root} has {names} but no train: add it, with a folder for each class.")
    return {split: list(_list_classes(root, matches[0])) for split, matches in by_split.items() if matches}


def _subfolders(parent: Path) -> list[Path]:
    children = sorted(parent.iterdir()) if parent.is_dir() else []
    return [child for child in children if not child.name.startswith(".") and child.is_dir()]


def _list_classes(root: Path, parent: Path) -> Iterator[ImageFile]:
    """List the images of all classes of a split."""
    folders = _subfolders(parent)
    if not folders:
        raise UsageError(f"{parent} has no images: they belong into a folder for each class, {parent.name}/CLASS/.")
    for folder in folders:
        images = [ImageFile(file.relative_to(root).as_posix(), folder.name, file) for file in _walk(folder)]
        if not images:
            raise UsageError(
                f"the class folder {folder} has no image that ends with {', '.join(SUFFIXES)}: add some, or take the "
                "folder out."
            )
        yield from images


def _walk(folder: Path) -> Iterator[Path]:
    """Walk through all images below a folder, but for hidden ones."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield Path(parent, name)
