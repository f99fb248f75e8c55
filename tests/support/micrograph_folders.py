"""Folders of micrographs with their `coordinates.json`, as `data.source=micrographs` reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.data import load_split
from trainables.unet_selftrain.split import Micrographs

WIDTH, HEIGHT = 60, 40


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (HEIGHT, WIDTH), dtype=np.uint8)


class MicrographFolder:
    """Ten micrographs of 60×40 pixels with one to three particles each; or as many in each of some subfolders."""

    def __init__(self, root: Path, count: int = 10, subfolders: tuple[str, ...] = ("",)) -> None:
        self.root = root
        self.names = [f"{subfolder}/{index}.png".lstrip("/") for subfolder in subfolders for index in range(count)]
        for index, name in enumerate(self.names):
            (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(index)).save(root / "images" / name)
        self.entries = {
            name: [[10.0 + 15 * number, 5 + index % 30] for number in range(1 + index % 3)]
            for index, name in enumerate(self.names)
        }
        self.write()

    def write(self, text: str | None = None) -> None:
        (self.root / "coordinates.json").write_text(json.dumps(self.entries) if text is None else text)

    def load(self, split="train", downsample=1, **settings) -> Micrographs:
        cache = str(self.root / "cache")
        data = Data(source="micrographs", root=str(self.root), cache=cache, **{"radius": 4.0, **settings})
        return load_split(Config(downsample=downsample), data, split)

    def splits(self, **settings) -> list[Micrographs]:
        return [self.load(split, **settings) for split in ("train", "val", "test")]
