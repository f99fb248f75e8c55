"""Images of a folder, whose subfolders are the classes: `root/train/CLASS/…` with `val` and `test`, or `root/CLASS/…`.

A split without a folder of its own is split off: a share of every class, ranked by a digest of seed and name. So
neither the order of files nor the version of a random generator matters. An image whose copy is in validation or test
is left out of training, and one whose copy is in test is left out of validation. Names are paths below the root.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import compress
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from trainables.contract import Split
from trainables.images.squares import decode_squares, rank_key
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.sources.copies import find_copies
from trainables.noise_mask.sources.listing import ImageFile, list_splits
from trainables.noise_mask.split import ClassImages, choose_per_class
from trainables.settings import Notice, UsageError, abbreviate, format_value

_LATER_SPLITS: Mapping[Split, str] = {"train": "validation or test", "val": "test"}


class _Splits(NamedTuple):
    """The images of every split in the order of their names, and the names of copies with those of their originals.

    The classes are those of training.
    """

    images: dict[Split, list[ImageFile]]
    copies: dict[Split, tuple[tuple[str, str], ...]]
    classes: tuple[str, ...]


def load(config: Config, data: Data, split: Split) -> ClassImages:
    """Load a split of the folder `data.root`; no other split's images are decoded.

    Raises:
        UsageError: folders or files that are missing, unreadable, at odds with themselves or too few.
    """
    splits = _assign_splits(data)
    classes, images, copies = splits.classes, splits.images[split], splits.copies[split]
    _report_copies(split, copies)
    store = decode_squares(
        [image.file for image in images],
        config.image_size,
        channels=config.channels,
        cache=data.cache,
        bad_images=data.bad_images,
        title=f"{split} images",
    )
    images = [images[index] for index in store.indices]
    if split == "train" and (empty := sorted(set(classes) - {image.label for image in images})):
        raise UsageError(
            f"no training image of the class {abbreviate(empty)} is readable: repair some, or take it out."
        )
    return ClassImages(
        images=store.pixels,
        rows=np.arange(len(images)),
        labels=np.array([classes.index(image.label) for image in images], dtype=np.int64),
        classes=classes,
        names=[image.name for image in images],
        bad=(*store.bad, *((name, f"a copy of {original}") for name, original in copies)),
    )


def _report_copies(split: Split, copies: Sequence[tuple[str, str]]) -> None:
    if not copies:
        return
    images = "1 image that is" if len(copies) == 1 else f"{len(copies)} images that are"
    names = abbreviate([f"{name} is {original}" for name, original in copies])
    warnings.warn(f"left out of {split}: {images} also in {_LATER_SPLITS[split]} ({names}).", Notice, stacklevel=3)


@lru_cache(maxsize=2)
def _assign_splits(data: Data) -> _Splits:
    """Assign all images to splits that have the same classes and share no image."""
    root = data.folder
    splits = list_splits(root)
    classes = tuple(sorted({image.label for image in splits["train"]}))
    if len(classes) < 2:
        raise UsageError(
            f"{root} has images of {len(classes)} class, {abbreviate(classes)}: add a folder of another one."
        )
    for split, images in splits.items():
        if unknown := sorted({image.label for image in images} - set(classes)):
            raise UsageError(
                f"{root} has the class {abbreviate(unknown)} in {split} but not in train: add training images of it, "
                "or take its folder out."
            )
    missing: list[Split] = [split for split in ("test", "val") if split not in splits]
    splits = _split_off(splits, missing, data)
    _check_links(splits)
    splits, copies = _remove_copies({split: sorted(images) for split, images in splits.items()}, data)
    if data.train_per_class is not None:
        splits["train"] = _choose_training_images(splits["train"], classes, data)
    return _Splits(splits, copies, classes)


def _split_off(splits: dict[Split, list[ImageFile]], missing: list[Split], data: Data) -> dict[Split, list[ImageFile]]:
    """Split the missing splits off training, a share of every class."""
    shares = {split: data.test_share if split == "test" else data.val_share for split in missing}
    if sum(shares.values()) >= 1:
        settings = " and ".join(f"data.{split}_share={format_value(share)}" for split, share in shares.items())
        raise UsageError(f"{settings} leave nothing to train on: lower one of them.")
    parts: dict[Split, list[ImageFile]] = splits | {"train": [], **{split: [] for split in missing}}
    for label, images in _rank_by_class(splits["train"], data).items():
        if len(images) <= len(missing):
            raise UsageError(
                f"the class {label} has {len(images)} images, too few to split {' and '.join(missing)} off training: "
                "add some, or take the class out."
            )
        start = 0
        for index, split in enumerate(missing):
            limit = len(images) - start - (len(missing) - index)  # the splits that follow, and training, need one each
            end = start + min(max(round(shares[split] * len(images)), 1), limit)
            parts[split] += images[start:end]
            start = end
        parts["train"] += images[start:]
    return parts


def _rank_by_class(images: list[ImageFile], data: Data) -> dict[str, list[ImageFile]]:
    """Rank the images of each class by a digest of seed and name."""
    by_class: dict[str, list[ImageFile]] = {image.label: [] for image in images}
    for image in sorted(images, key=lambda image: rank_key(data.split_seed, image.name)):
        by_class[image.label].append(image)
    return by_class


def _check_links(splits: Mapping[Split, list[ImageFile]]) -> None:
    """See that no file is in two splits or two classes by way of a link."""
    owners: dict[str, tuple[str, str, str]] = {}
    real_paths = {folder: os.path.realpath(folder) for images in splits.values() for folder in _parents(images)}
    for split, images in splits.items():
        for name, label, file in images:
            target = os.path.realpath(file) if file.is_symlink() else f"{real_paths[file.parent]}/{file.name}"
            owner = owners.setdefault(target, (name, split, label))
            if owner[1:] != (split, label):
                raise UsageError(
                    f"{owner[0]} ({owner[1]}) and {name} ({split}) are links to one file: a result on it would be "
                    "void; take one of them out."
                )


def _parents(images: list[ImageFile]) -> set[Path]:
    return {image.file.parent for image in images}


def _remove_copies(
    splits: Mapping[Split, list[ImageFile]], data: Data
) -> tuple[dict[Split, list[ImageFile]], dict[Split, tuple[tuple[str, str], ...]]]:
    """Remove images whose bytes are in a later split as well; return what is left, and the copies of every split."""
    names = {split: [image.name for image in images] for split, images in splits.items()}
    copies = find_copies(data.folder, names, data.cache)
    originals = {split: [image for image in images if image.name not in copies] for split, images in splits.items()}
    for split, later in _LATER_SPLITS.items():
        empty = {image.label for image in splits[split]} - {image.label for image in originals[split]}
        if empty:
            raise UsageError(
                f"all {split} images of the class {abbreviate(sorted(empty))} are in {later}, too: add others."
            )
    return originals, {
        split: tuple((name, copies[name]) for name in names[split] if name in copies) for split in splits
    }


def _choose_training_images(images: list[ImageFile], classes: Sequence[str], data: Data) -> list[ImageFile]:
    """Choose `data.train_per_class` images of every class, the first by rank, in the order of their names."""
    ranks = [image for images_of_class in _rank_by_class(images, data).values() for image in images_of_class]
    labels = np.array([classes.index(image.label) for image in ranks])
    selection = choose_per_class(labels, cast(int, data.train_per_class), classes)
    return sorted(compress(ranks, selection))
