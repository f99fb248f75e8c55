"""Images and objects of seq_attention: synthetic ones, or a folder in the form of COCO or of FSC-147."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from trainables.contract import Split
from trainables.images.cache import decode_files
from trainables.images.squares import split_by_group
from trainables.seq_attention import coco, framing, fsc147, synthetic
from trainables.seq_attention.annotations import check_inside
from trainables.seq_attention.backbones import check
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.scenes import Listed, Scenes
from trainables.settings import UsageError


def load(config: Config, data: Data, split: Split) -> Scenes:
    """One split at the config's image size, made once per process; only `test` decodes the test split's images.

    Images with fewer objects than `data.min_objects` or more than `data.max_objects` are left out. Validation has its
    calibration part marked.

    Raises:
        UsageError: data that are missing, unreadable, at odds with themselves or too few.
    """
    return _loaded(config.image_size, data, split)


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits into the cache, with a progress bar; the same for all trials of that image size.

    Raises:
        UsageError: a backbone or weights that there are not; or as `load` does.
    """
    check(config)
    for split in splits:
        load(config, data, split)


def listed(data: Data, split: Split) -> list[Listed]:
    """All images of a split as the annotations have them, whatever their number of objects; not of synthetic data.

    Raises:
        UsageError: annotations that are missing, broken or at odds with themselves.
    """
    return (coco if data.source == "coco" else fsc147).listed(data, split)


def all_counts(data: Data, split: Split) -> np.ndarray:
    """Objects of each image of a split, int64 `[N]`, whatever their number; reads no image.

    Raises:
        UsageError: as `listed` does.
    """
    if data.source == "synthetic":
        return synthetic.counts(data, split)
    return np.array([len(each.points) for each in listed(data, split)], dtype=np.int64)


def counts(data: Data, split: Split) -> np.ndarray:
    """Objects of each image that `load` takes, int64 `[N]`, whether its file can be read or not; reads no image.

    Raises:
        UsageError: as `listed` does, or no image is left.
    """
    every = all_counts(data, split)
    return every[_taken(every, data, split)]


def within(counts: np.ndarray, data: Data) -> np.ndarray:
    """bool `[N]`: images with as many objects as `data.min_objects` and `data.max_objects` allow."""
    return (counts >= data.min_objects) & (counts <= data.max_objects)


@lru_cache(maxsize=8)
def _loaded(side: int, data: Data, split: Split) -> Scenes:
    if data.source == "synthetic":
        every = synthetic.load(side, data, split)
        taken = _taken(every.counts, data, split)
        scenes = every if taken.all() else every.select(taken)
    else:
        scenes = _decoded(side, data, split)
    if split == "val":
        return replace(scenes, calibration=_calibration(scenes, data))
    if split == "train" and not scenes.counts.any():
        raise UsageError(
            f"none of the {len(scenes)} training images has an object: raise data.min_objects=0, or annotate."
        )
    return scenes


def _taken(every: np.ndarray, data: Data, split: Split) -> np.ndarray:
    taken = within(every, data)
    if not taken.any():
        most = f"; they have {every.min()} to {every.max()}" if len(every) else ""
        raise UsageError(
            f"none of the {len(every)} {split} images has data.min_objects={data.min_objects} to "
            f"data.max_objects={data.max_objects} objects{most}: change these bounds."
        )
    return taken


def _decoded(side: int, data: Data, split: Split) -> Scenes:
    images = listed(data, split)
    taken = _taken(np.array([len(each.points) for each in images], dtype=np.int64), data, split)
    asked = [images[place] for place in np.flatnonzero(taken)]
    stored = decode_files(
        [each.file for each in asked],
        partial(framing.decode, side=side),
        method=(framing.METHOD, side),
        cache=data.cache,
        bad_images=data.bad_images,
        title="images",
    )
    kept = [asked[place] for place in stored.kept]
    return Scenes(
        images=stored.pixels.reshape(len(stored), side, side, 3),
        sizes=stored.sizes,
        points=[_points(each, size) for each, size in zip(kept, stored.sizes, strict=True)],
        names=[each.name for each in kept],
        calibration=np.zeros(len(kept), dtype=bool),
        bad=stored.bad,
    )


def _points(image: Listed, size: np.ndarray) -> np.ndarray:
    """The objects of an image as stored; they are in its pixels only if it is as large as the annotations say."""
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


def _calibration(scenes: Scenes, data: Data) -> np.ndarray:
    """bool `[N]`, the images that choose thresholds."""
    remedy = f"take another data.split_seed than {data.split_seed}, or more images"
    if len(scenes) < 2:
        raise UsageError(
            "validation has a single image, but needs one to choose thresholds on and one to judge: add images, or "
            f"widen data.min_objects={data.min_objects} to data.max_objects={data.max_objects}."
        )
    chosen = split_by_group(scenes.names, data.calibration_share, data.split_seed)
    for part, words in ((chosen, "calibration"), (~chosen, "scored")):
        if not scenes.counts[part].any():
            raise UsageError(f"none of the {part.sum()} {words} images of validation has an object: {remedy}.")
    return chosen
