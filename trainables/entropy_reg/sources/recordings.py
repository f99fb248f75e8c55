"""What all readers of files share: the images that a reader lists, in folds, decoded, with their fixations scaled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np

from trainables.contract import Split
from trainables.entropy_reg import scanpaths
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.decoding import METHOD, decode_image
from trainables.entropy_reg.scanpaths import Fixations, Recording
from trainables.entropy_reg.split import Stimuli
from trainables.images.cache import ImageStore, decode_files
from trainables.images.squares import rank_key
from trainables.settings import Notice, UsageError

MAX_ASPECT_CHANGE = 1.05
"""Coordinates for an image of another aspect ratio than the file's are those of another image."""


def load_recordings(
    list_images: Callable[[Data], list[Recording]], config: Config, data: Data, split: Split
) -> Stimuli:
    """Load the images of a split's folds, with their fixations.

    Args:
        list_images: the reader, which opens no image.
        config: decides the images' size and shape.
        data: where they are.
        split: of which images are decoded.

    Raises:
        UsageError: images that are missing, unreadable or too few, or fixations that are not on them.
    """
    images = _list_once(list_images, data)
    numbers = assign_folds([image.name for image in images], data.folds, data.split_seed)
    test, val = data.fold, (data.fold - 1) % data.folds
    members = {"test": numbers == test, "val": numbers == val, "train": (numbers != test) & (numbers != val)}[split]
    candidates = [images[index] for index in np.flatnonzero(members)]
    store = decode_files(
        [image.file for image in candidates],
        partial(decode_image, size=config.image_size, shape=config.shape),
        method=(METHOD, config.image_size, config.shape),
        cache=data.cache,
        bad_images=data.bad_images,
        title="images",
    )
    return _add_fixations([candidates[index] for index in store.indices], store, data)


def assign_folds(names: Sequence[str], number: int, seed: int) -> np.ndarray:
    """Assign a fold to every image: they are ranked by a digest of seed and name, then take the folds in turn.

    Neither the order of files nor the version of a random generator matters.

    Returns:
        int64 `[N]`, 0 to number − 1.

    Raises:
        UsageError: fewer images than folds.
    """
    if len(names) < number:
        raise UsageError(f"{len(names)} images with fixations are too few for data.folds={number}: lower it.")
    ranking = sorted(range(len(names)), key=lambda index: rank_key(seed, names[index]))
    folds = np.empty(len(names), dtype=np.int64)
    folds[ranking] = np.arange(len(names)) % number
    return folds


@lru_cache(maxsize=2)
def _list_once(list_images: Callable[[Data], list[Recording]], data: Data) -> list[Recording]:
    """List a data set's images once for all of its splits."""
    return list_images(data)


def _add_fixations(images: list[Recording], store: ImageStore, data: Data) -> Stimuli:
    """Return the images that have a fixation to be scored."""
    fixations = [_scale_fixations(image, store, index, data) for index, image in enumerate(images)]
    scored_count = sum(len(image_fixations.points) for image_fixations in fixations)
    total = sum(len(path) - data.first_is_history for image in images for path in image.scanpaths)
    if scored_count < total:
        warnings.warn(
            f"{total - scored_count} of {total} fixations lie outside their image and are not scored.",
            Notice,
            stacklevel=2,
        )
    rows = [index for index, image_fixations in enumerate(fixations) if len(image_fixations.points)]
    if not total:
        raise UsageError(
            f"every scanpath of these {len(images)} images has one fixation, which is for the history alone: say "
            "data.first_fixation=scored."
        )
    if not rows:
        raise UsageError(f"no fixation of these {len(images)} images lies inside its image; check the coordinates.")
    return Stimuli(
        key=(store.key, rows),
        names=[images[row].name for row in rows],
        pixels=[store[row] for row in rows],
        fixations=[fixations[row] for row in rows],
        viewers=np.array([len(images[row].scanpaths) for row in rows]),
        bad=store.bad,
    )


def _scale_fixations(image: Recording, store: ImageStore, index: int, data: Data) -> Fixations:
    """Return an image's fixations in pixels of the image as it is stored."""
    width, height = image.size or tuple(store.sizes[index].tolist())
    file_width, file_height = store.sizes[index].tolist()
    aspect = (width * file_height) / (height * file_width)
    if max(aspect, 1 / aspect) > MAX_ASPECT_CHANGE:
        raise UsageError(
            f"{image.name} is {file_width}×{file_height} pixels, but its fixations are for {width}×{height}: "
            "give the images that were shown."
        )
    rows, columns = store.shapes[index][:2]
    factor = np.array([columns / width, rows / height], np.float32)
    paths = tuple((path * factor).astype(np.float32) for path in image.scanpaths)
    return scanpaths.scored_fixations(paths, columns, rows, first_is_history=data.first_is_history)
