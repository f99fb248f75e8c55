"""From annotated images to a split: the files of those within the bounds are decoded, through the cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from trainables.contract import Split
from trainables.images.cache import decode_files
from trainables.seq_attention import letterbox
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.sources.annotations import AnnotatedImage, check_inside, count_points
from trainables.seq_attention.sources.bounds import select_by_count
from trainables.seq_attention.split import Scenes
from trainables.settings import UsageError


def decode_split(annotations: Sequence[AnnotatedImage], config: Config, data: Data, split: Split) -> Scenes:
    """Decode those images of a split that `data.min_objects` and `data.max_objects` take.

    Raises:
        UsageError: no image is taken, one is missing or damaged, or its annotations are for an image of another size.
    """
    side = config.image_size
    mask = select_by_count(count_points(annotations), data, split)
    candidates = [annotations[index] for index in np.flatnonzero(mask).tolist()]
    store = decode_files(
        [image.file for image in candidates],
        partial(letterbox.decode, side=side),
        method=(letterbox.METHOD, side),
        cache=data.cache,
        bad_images=data.bad_images,
        title="images",
    )
    images = [candidates[index] for index in store.indices.tolist()]
    return Scenes(
        names=[image.name for image in images],
        bad=store.bad,
        images=store.pixels.reshape(len(store), side, side, 3),
        rows=np.arange(len(images)),
        sizes=store.sizes,
        points=[_points(image, size) for image, size in zip(images, store.sizes, strict=True)],
        calibration=np.zeros(len(images), dtype=bool),
    )


def _points(image: AnnotatedImage, size: np.ndarray) -> np.ndarray:
    """Return the objects of an image as stored; they fit its pixels only if it has the size of the annotations."""
    if image.size is not None and image.size != tuple(size.tolist()):
        remedy = "give the images that were annotated"
        if image.size == tuple(size[::-1].tolist()):
            remedy = "an EXIF orientation that turns it when it is shown is not applied; save it as it is shown"
        raise UsageError(
            f"{image.name} is {size[0]}×{size[1]} pixels, but its annotations are for {image.size[0]}×{image.size[1]}: "
            f"{remedy}."
        )
    check_inside(image.name, image.points, size)
    return np.clip(image.points, 0, size).astype(np.float32)
