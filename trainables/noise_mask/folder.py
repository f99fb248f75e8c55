"""Images of a folder, whose subfolders are the classes: `root/train/CLASS/…` with `val` and `test`, or `root/CLASS/…`.

`val` may also be called `valid`, `validation` or `dev`, and the others `training` and `testing`. A split that has no
folder of its own is split off: of every class its share of images, ranked by a digest of seed and name. So neither the
order of files nor the version of a random generator matters. An image whose copy is in validation or test is left out
of training, and of validation where its copy is in test. Images may lie in folders below a class. Names are paths below
the root.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np

from trainables.contract import Split
from trainables.images.squares import decode_once, rank
from trainables.noise_mask.config import Data
from trainables.noise_mask.copies import across
from trainables.noise_mask.labelled import Labelled, first_of_each
from trainables.settings import Notice, UsageError, a_few, plain

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
"""Endings of image files, in small letters; other files are passed over."""

_LATER: Mapping[Split, str] = {"train": "validation or test", "val": "test"}
_FOLDERS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


class _Image(NamedTuple):
    """An image by its path below the root."""

    name: str
    label: str
    file: Path


class _Splits(NamedTuple):
    """The images of every split in the order of their names, and those left out: their names and whose copies they are.

    The classes are those of training.
    """

    images: dict[Split, list[_Image]]
    copies: dict[Split, tuple[tuple[str, str], ...]]
    classes: tuple[str, ...]


def load(size: int, channels: int, data: Data, split: Split) -> Labelled:
    """One split of the folder `data.root`; no other split's images are decoded.

    Args:
        size: side of the square images in pixels.
        channels: 1 reads images as grey, 3 in colour.
        data: where the images are, and how they are split.
        split: which split.

    Raises:
        UsageError: folders or files that are missing, unreadable, at odds with themselves or too few.
    """
    splits = _splits(data)
    classes, images, copies = splits.classes, splits.images[split], splits.copies[split]
    if copies:
        named = a_few([f"{name} is {original}" for name, original in copies])
        warnings.warn(
            f"left out of {split}: {_counted(len(copies))} also in {_LATER[split]} ({named}).", Notice, stacklevel=2
        )
    decoded = decode_once(
        [image.file for image in images],
        size,
        channels=cast(Literal[1, 3], channels),
        cache=data.cache,
        bad_images=data.bad_images,
        title=f"{split} images",
    )
    kept = [images[place] for place in decoded.kept]
    if split == "train" and (lost := sorted(set(classes) - {image.label for image in kept})):
        raise UsageError(f"no training image of the class {a_few(lost)} is readable: repair some, or take it out.")
    return Labelled(
        images=decoded.pixels,
        rows=np.arange(len(kept)),
        labels=np.array([classes.index(image.label) for image in kept], dtype=np.int64),
        classes=classes,
        names=[image.name for image in kept],
        bad=(*decoded.bad, *((name, f"a copy of {original}") for name, original in copies)),
    )


@lru_cache(maxsize=2)
def _splits(data: Data) -> _Splits:
    """The images of all splits, once they are known to be at one with each other."""
    root = data.folder
    splits = _found(root)
    classes = tuple(sorted({image.label for image in splits["train"]}))
    if len(classes) < 2:
        raise UsageError(f"{root} has images of {len(classes)} class, {a_few(classes)}: add a folder of another one.")
    for split, images in splits.items():
        if strange := sorted({image.label for image in images} - set(classes)):
            raise UsageError(
                f"{root} has the class {a_few(strange)} in {split} but not in train: add training images of it, or "
                "take its folder out."
            )
    lacking: list[Split] = [split for split in ("test", "val") if split not in splits]
    splits = _split_off(splits, lacking, data)
    _check_apart(splits)
    splits, copies = _without_copies({split: sorted(images) for split, images in splits.items()}, data)
    if data.train_per_class is not None:
        splits["train"] = _few(splits["train"], classes, data)
    return _Splits(splits, copies, classes)


def _found(root: Path) -> dict[Split, list[_Image]]:
    """The images of every split that has a folder; of `train` alone where there are only folders of classes."""
    folders = _folders(root)
    own = {split: [each for each in folders if each.name.lower() in names] for split, names in _FOLDERS.items()}
    for split, several in own.items():
        if len(several) > 1:
            raise UsageError(
                f"{root} has {a_few([each.name for each in several])}, which all mean {split}: keep one of them."
            )
    if not any(own.values()):
        return {"train": list(_of_classes(root, root))}
    if unused := [each.name for each in folders if not any(each in several for several in own.values())]:
        warnings.warn(f"{root} has {a_few(unused)} beside its splits, where nothing is read.", Notice, stacklevel=2)
    if not own["train"]:
        there = a_few([each.name for several in own.values() for each in several])
        raise UsageError(f"{root} has {there} but no train: add it, with a folder for each class.")
    return {split: list(_of_classes(root, several[0])) for split, several in own.items() if several}


def _folders(parent: Path) -> list[Path]:
    found = sorted(parent.iterdir()) if parent.is_dir() else []
    return [each for each in found if not each.name.startswith(".") and each.is_dir()]


def _of_classes(root: Path, parent: Path) -> Iterator[_Image]:
    """The images of all classes of a split."""
    folders = _folders(parent)
    if not folders:
        raise UsageError(f"{parent} has no images: they belong into a folder for each class, {parent.name}/CLASS/.")
    for folder in folders:
        images = [_Image(file.relative_to(root).as_posix(), folder.name, file) for file in _below(folder)]
        if not images:
            raise UsageError(
                f"the class folder {folder} has no image that ends with {', '.join(SUFFIXES)}: add some, or take the "
                "folder out."
            )
        yield from images


def _below(folder: Path) -> Iterator[Path]:
    """All images below a folder, but for hidden ones."""
    for place, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in files:
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield Path(place, name)


def _split_off(splits: dict[Split, list[_Image]], lacking: list[Split], data: Data) -> dict[Split, list[_Image]]:
    """Splits that have no folder, taken from training's, of every class their share."""
    shares = {split: data.test_share if split == "test" else data.val_share for split in lacking}
    if sum(shares.values()) >= 1:
        named = " and ".join(f"data.{split}_share={plain(share)}" for split, share in shares.items())
        raise UsageError(f"{named} leave nothing to train on: lower one of them.")
    parted: dict[Split, list[_Image]] = splits | {"train": [], **{split: [] for split in lacking}}
    for label, images in _by_class(splits["train"], data).items():
        if len(images) <= len(lacking):
            raise UsageError(
                f"the class {label} has {len(images)} images, too few to split {' and '.join(lacking)} off training: "
                "add some, or take the class out."
            )
        start = 0
        for place, split in enumerate(lacking):
            most = len(images) - start - (len(lacking) - place)  # those that follow, and training, need one each
            end = start + min(max(round(shares[split] * len(images)), 1), most)
            parted[split] += images[start:end]
            start = end
        parted["train"] += images[start:]
    return parted


def _by_class(images: list[_Image], data: Data) -> dict[str, list[_Image]]:
    """Each class's images, ranked by a digest of seed and name."""
    ranked: dict[str, list[_Image]] = {image.label: [] for image in images}
    for image in sorted(images, key=lambda image: rank(data.split_seed, image.name)):
        ranked[image.label].append(image)
    return ranked


def _check_apart(splits: Mapping[Split, list[_Image]]) -> None:
    """See that no file is in two splits or two classes by way of a link."""
    seen: dict[str, tuple[str, str, str]] = {}
    real = {folder: os.path.realpath(folder) for images in splits.values() for folder in _parents(images)}
    for split, images in splits.items():
        for name, label, file in images:
            target = os.path.realpath(file) if file.is_symlink() else f"{real[file.parent]}/{file.name}"
            before = seen.setdefault(target, (name, split, label))
            if before[1:] != (split, label):
                raise UsageError(
                    f"{before[0]} ({before[1]}) and {name} ({split}) are links to one file: a result on it would be "
                    "void; take one of them out."
                )


def _parents(images: list[_Image]) -> set[Path]:
    return {image.file.parent for image in images}


def _without_copies(
    splits: Mapping[Split, list[_Image]], data: Data
) -> tuple[dict[Split, list[_Image]], dict[Split, tuple[tuple[str, str], ...]]]:
    """Splits that share no image byte by byte, and what was left out for it."""
    names = {split: [image.name for image in images] for split, images in splits.items()}
    copies = across(data.folder, names, data.cache)
    kept = {split: [image for image in images if image.name not in copies] for split, images in splits.items()}
    for split, later in _LATER.items():
        lost = {image.label for image in splits[split]} - {image.label for image in kept[split]}
        if lost:
            raise UsageError(f"all {split} images of the class {a_few(sorted(lost))} are in {later}, too: add others.")
    return kept, {split: tuple((name, copies[name]) for name in names[split] if name in copies) for split in splits}


def _counted(number: int) -> str:
    return "1 image that is" if number == 1 else f"{number} images that are"


def _few(images: list[_Image], classes: Sequence[str], data: Data) -> list[_Image]:
    """`data.train_per_class` images of every class, the first by the digest's rank, in the order of their names."""
    ranked = [image for some in _by_class(images, data).values() for image in some]
    labels = np.array([classes.index(image.label) for image in ranked])
    kept = first_of_each(labels, cast(int, data.train_per_class), classes)
    return sorted(image for image, chosen in zip(ranked, kept, strict=True) if chosen)
