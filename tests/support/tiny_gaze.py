"""An entropy_reg that trains an epoch in a fraction of a second; its cache is the folder that a test gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.scanpaths import Fixations, scored_fixations
from trainables.entropy_reg.split import Shape, Stimuli
from trainables.entropy_reg.variant import EntropyReg
from trainables.processes import Processes
from trainables.registry import load

SETTINGS = {
    "epochs": 2,
    "batch_size": 4,
    "lr": 3e-3,
    "warmup_epochs": 0.5,
    "image_size": 64,
    "backbone": "tiny",
    "downsample": 1.0,
    "n_uniform": 4,
    "patience": 0,
}
DATA = {
    "train_size": 8,
    "val_size": 4,
    "viewers": 3,
    "fixations": 4,
    "probes": 2,
    "train_fixations": 3,
    "bandwidth": 0.1,
}


def config(**values) -> Config:
    return Config(**{**SETTINGS, **values})


def data(cache: Path, **values) -> Data:
    """Eight training images of 48 × 64 pixels, twelve fixations each."""
    return Data(**{**DATA, "cache": str(cache), **values})


def build(
    cache: Path,
    seed: int = 0,
    processes: Processes | None = None,
    splits=("train", "val"),
    where: dict | None = None,
    **values,
) -> EntropyReg:
    """Build the variant on synthetic images; `where` are settings of the data, `values` of the training."""
    settings = data(cache, **(where or {}))
    return load("entropy_reg").build(config(**values), settings, seed=seed, splits=splits, processes=processes)


def stimuli(shapes: Sequence[Shape] = ((48, 64),) * 3, viewers: int = 3, length: int = 4, seed: int = 0) -> Stimuli:
    """Draw images of noise, of any shapes, no two the same, with fixations all over; sides are multiples of 4."""
    rng = np.random.default_rng(seed)
    pixels = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    names = [f"image_{index}" for index in range(len(shapes))]
    fixations = [scanpaths(shape, viewers, length, rng) for shape in shapes]
    key = ("tiny gaze", seed, *map(list, shapes))
    return Stimuli(key=key, names=names, pixels=pixels, fixations=fixations)


def scanpaths(shape: Shape, viewers: int, length: int, rng: np.random.Generator) -> Fixations:
    """Draw the fixations of some viewers on an image of `shape`, uniform; the first one of each has no history."""
    paths = (0.999 * rng.uniform(0, (shape[1], shape[0]), (viewers, length, 2))).astype(np.float32)
    return scored_fixations(tuple(paths), shape[1], shape[0], first_is_history=False)
