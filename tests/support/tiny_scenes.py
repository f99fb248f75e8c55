"""A seq_attention that trains an epoch in a fraction of a second, and splits without pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainables.processes import Processes
from trainables.registry import load
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.split import Scenes
from trainables.seq_attention.variant import SeqAttention

SETTINGS = {
    "epochs": 4,
    "batch_size": 8,
    "lr": 3e-3,
    "warmup_epochs": 0.5,
    "image_size": 64,
    "width": 8,
    "patience": 0,
}
DATA = {"train_size": 24, "val_size": 8, "size": 64, "max_objects": 6, "row_height": 24}


def config(**values) -> Config:
    return Config(**{**SETTINGS, **values})


def build(
    seed: int = 0, processes: Processes | None = None, splits=("train", "val"), data: dict | None = None, **values
) -> SeqAttention:
    settings = Data(**{**DATA, **(data or {})})
    return load("seq_attention").build(config(**values), settings, seed=seed, splits=splits, processes=processes)


def build_scenes(
    points: Sequence[np.ndarray],
    size: int | Sequence[int] | Sequence[Sequence[int]],
    images: np.ndarray | None = None,
    digits: int = 1,
) -> Scenes:
    """Build a split of images of a size, or of sizes, that are black unless given; names are their indices."""
    count = len(points)
    return Scenes(
        names=[f"{index:0{digits}d}" for index in range(count)],
        images=np.zeros((count, 32, 32, 3), np.uint8) if images is None else images,
        rows=np.arange(count),
        sizes=np.broadcast_to(size, (count, 2)).copy(),
        points=[np.asarray(objects, np.float32) for objects in points],
        calibration=np.zeros(count, dtype=bool),
    )
