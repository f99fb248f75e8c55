"""Folders of tiny X-rays in the layout of ChestX-ray14, with the findings that a test wants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from trainables.mask_st.config import Config, Data

SMALL = Config(image_size=32)


def write_xrays(root: Path, train_val: Sequence[str], test: Sequence[str] = ("A", "")) -> Path:
    """Write an image per patient; each is given as its findings with `|`, empty where it is healthy."""
    (root / "images").mkdir(parents=True)
    rows = ["Image Index,Finding Labels,Patient ID"]
    lists: dict[str, list[str]] = {"train_val_list.txt": [], "test_list.txt": []}
    for patient, findings in enumerate([*train_val, *test]):
        name = f"{patient:08d}_000.png"
        lists["train_val_list.txt" if patient < len(train_val) else "test_list.txt"].append(name)
        rows.append(f"{name},{findings or 'No Finding'},{patient}")
        pixels = np.random.default_rng(patient).integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / name)
    for file, names in lists.items():
        (root / file).write_text("\n".join(names))
    (root / "Data_Entry_2017.csv").write_text("\n".join(rows))
    (root / "BBox_List_2017.csv").write_text("Image Index,Finding Label,Bbox [x,y,w,h]\n")
    return root


def xray_data(root: Path, **settings) -> Data:
    return Data(source="nih", root=str(root), cache=str(root / "cache"), **settings)
