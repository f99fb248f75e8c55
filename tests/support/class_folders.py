"""Folders of small images, a subfolder for each class, and their splits as noise_mask reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.data import load
from trainables.noise_mask.labelled import Labelled

SPLITS = ("train", "val", "test")


def write(root: Path, *names: str) -> None:
    """Colour images of 16×16 pixels, each of its own, which its name determines."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(name.encode()))
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(root / name)


def numbered(folder: str, count: int) -> list[str]:
    return [f"{folder}/{place:02d}.png" for place in range(count)]


def get(root: Path, split: str = "train", channels: int = 1, **settings) -> Labelled:
    data = Data(**{"source": "folder", "root": str(root), "cache": str(root.parent / "cache"), **settings})
    return load(Config(image_size=16, grid=4, channels=channels), data, split)


def every(root: Path, **settings) -> dict[str, Labelled]:
    return {split: get(root, split, **settings) for split in SPLITS}
