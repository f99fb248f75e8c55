"""Folders of noise images with fixations on them, as the source `fixations` of entropy_reg reads them."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

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
