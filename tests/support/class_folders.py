"""Folders of small images, a subfolder for each class, and their splits as noise_mask reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.data import load_split
from trainables.noise_mask.split import ClassImages

SPLITS = ("train", "val", "test")


def write_images(root: Path, *names: str) -> None:
    """Write colour images of 16×16 pixels, each of other pixels, which its name determines."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(name.encode()))
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(root / name)


def image_names(folder: str, count: int) -> list[str]:
    return [f"{folder}/{number:02d}.png" for number in range(count)]


def load_images(root: Path, split: str = "train", channels: int = 1, **settings) -> ClassImages:
    data = Data(**{"source": "folder", "root": str(root), "cache": str(root.parent / "cache"), **settings})
    return load_split(Config(image_size=16, grid=4, channels=channels), data, split)


def load_splits(root: Path, **settings) -> dict[str, ClassImages]:
    return {split: load_images(root, split, **settings) for split in SPLITS}
