"""Folders of noise images with fixations on them, as the source `fixations` of entropy_reg reads them."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.tiny_gaze import config as tiny_config
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.data import load_split

SIZES = {"a": (80, 60), "b": (60, 80), "c": (160, 40), "d": (64, 64), "e": (64, 48), "f": (128, 96)}


def write_folder(root: Path, sizes: dict[str, tuple[int, int]], rows: list[tuple]) -> Path:
    """Write PNGs of noise, and a table with rows of image, subject, index, x and y; return the folder."""
    (root / "stimuli").mkdir(parents=True)
    for seed, (name, (width, height)) in enumerate(sizes.items()):
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "stimuli" / f"{name}.png")
    with (root / "fixations.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "subject", "index", "x", "y"])
        writer.writerows([(f"{name}.png", *rest) for name, *rest in rows])
    return root


def central_fixations(sizes: dict[str, tuple[int, int]]) -> list[tuple]:
    """Return the rows of one viewer with two fixations near the centre of every image."""
    return [
        (name, "s", index, width / 2 + index, height / 2) for name, (width, height) in sizes.items() for index in (0, 1)
    ]


def folder_data(folder: Path, **values) -> Data:
    """Return the settings of a folder in three folds, with a cache in it."""
    settings = {"folds": 3, "source": "fixations", "root": str(folder), "cache": str(folder / "cache")}
    return Data(**{**settings, **values})


def load_images(data: Data, config: Config | None = None) -> dict:
    """Load all splits: name → pixels and fixations."""
    images = {}
    for split in ("train", "val", "test"):
        stimuli = load_split(config or tiny_config(), data, split)
        images |= dict(zip(stimuli.names, zip(stimuli.pixels, stimuli.fixations, strict=True), strict=True))
    return images
