"""Images and objects of seq_attention: synthetic ones, or a folder in the form of COCO or of FSC-147."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainables.contract import Split
from trainables.images.split import CalibrationWords, cache_splits, choose_calibration
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.sources import coco, fsc147, synthetic
from trainables.seq_attention.sources.bounds import select_by_count
from trainables.seq_attention.split import Scenes
from trainables.settings import UsageError

SOURCES = {"synthetic": synthetic, "coco": coco, "fsc147": fsc147}


@cache_splits("image_size")
def load_split(config: Config, data: Data, split: Split) -> Scenes:
    """Load one split at the config's image size; only `test` decodes the test split's images.

    Images with fewer objects than `data.min_objects` or more than `data.max_objects` are left out. Validation has its
    calibration part marked.

    Raises:
        UsageError: data that are missing, unreadable, at odds with themselves or too few.
    """
    scenes: Scenes = SOURCES[data.source].load(config, data, split)
    if split == "val":
        return replace(scenes, calibration=_calibration(scenes, data))
    if split == "train" and not scenes.counts.any():
        raise UsageError(
            f"none of the {len(scenes)} training images has an object: raise data.min_objects=0, or annotate."
        )
    return scenes


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits into the cache, with a progress bar; the same for all trials of that image size.

    Raises:
        UsageError: as `load_split` does.
    """
    for split in splits:
        load_split(config, data, split)


def count_all_objects(data: Data, split: Split) -> np.ndarray:
    """Count the objects of each image of a split, int64 `[N]`, however many there are; reads no image.

    Raises:
        UsageError: annotations that are missing, broken or at odds with themselves.
    """
    counts: np.ndarray = SOURCES[data.source].count_objects(data, split)
    return counts


def count_objects(data: Data, split: Split) -> np.ndarray:
    """Count the objects of each image within the bounds, int64 `[N]`, whether its file is readable or not.

    Raises:
        UsageError: as `count_all_objects` does, or no image is within the bounds.
    """
    counts = count_all_objects(data, split)
    return counts[select_by_count(counts, data, split)]


def _calibration(scenes: Scenes, data: Data) -> np.ndarray:
    bounds = f"data.min_objects={data.min_objects} to data.max_objects={data.max_objects}"
    return choose_calibration(
        scenes.names,
        data.calibration_share,
        data.split_seed,
        scenes.counts > 0,
        CalibrationWords(
            unit="image",
            units="images",
            content="an object",
            single=f"add images, or widen {bounds}",
            empty=f"take another data.split_seed than {data.split_seed}, or more images",
        ),
    )
