"""X-rays of a folder laid out like NIH ChestX-ray14: its two official lists, its table of findings, its boxes."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trainables.contract import Split
from trainables.images.squares import decode_squares, split_by_group
from trainables.mask_st.config import Config, Data
from trainables.mask_st.split import Examples
from trainables.settings import Notice, UsageError

_ENTRIES, _BOXES = "Data_Entry_2017.csv", "BBox_List_2017.csv"
_TRAIN_VAL, _TEST = "train_val_list.txt", "test_list.txt"
_BOX_COLUMNS = ("Bbox [x", "y", "w", "h]")  # of the box list, literally


class Entry(NamedTuple):
    """A row of the table of findings.

    Attributes:
        findings: names of what the image shows; empty where it is healthy.
        patient: whose image it is.
    """

    findings: set[str]
    patient: str


def load(config: Config, data: Data, split: Split) -> Examples:
    """Load one split of the folder `data.root`; only `test` reads the images of the test list.

    Raises:
        UsageError: files that are missing, unreadable or at odds with themselves.
    """
    if split == "test":
        return _load_list(config.image_size, data, _TEST)
    examples = _load_list(config.image_size, data, _TRAIN_VAL)
    validation = split_by_group(examples.patients, data.val_share, data.split_seed)
    return examples.select(validation == (split == "val"))


@lru_cache(maxsize=4)
def _load_list(size: int, data: Data, list_name: str) -> Examples:
    """Load the readable images of one of the two official lists; train and val share one."""
    root = data.folder
    entries = _read_entries(root)
    lists = _read_lists(root, entries)
    classes, unknown = _list_classes(entries, lists)
    if unknown and list_name == _TEST:
        warnings.warn(
            f"left out, because {_TRAIN_VAL} has none of them: {', '.join(unknown)} of {_TEST}.",
            Notice,
            stacklevel=2,
        )
    files = _find_files(root)
    paths = [files.get(name, root / "images" / name) for name in lists[list_name]]
    store = decode_squares(paths, size, channels=1, cache=data.cache, bad_images=data.bad_images, title="chest X-rays")
    names = [paths[index].name for index in store.indices]
    boxes = _read_boxes(root, size, dict(zip(names, store.sizes, strict=True)))
    return Examples(
        images=store.pixels,
        rows=np.arange(len(names)),
        labels=np.array([[label in entries[name].findings for label in classes] for name in names], dtype=np.float32),
        boxes=[np.array([box for _, box in boxes[name]], np.float32).reshape(-1, 4) for name in names],
        findings=[tuple(finding for finding, _ in boxes[name]) for name in names],
        classes=classes,
        names=names,
        patients=[entries[name].patient for name in names],
        calibration=np.zeros(len(names), dtype=bool),
        bad=store.bad,
    )


def _list_classes(
    entries: Mapping[str, Entry], lists: Mapping[str, Sequence[str]]
) -> tuple[tuple[str, ...], list[str]]:
    """List the findings of train_val, which a model can learn, and those that only the test list has."""
    train_val, test = (set().union(*(entries[name].findings for name in lists[key])) for key in (_TRAIN_VAL, _TEST))
    return tuple(sorted(train_val)), sorted(test - train_val)


def _read_entries(root: Path) -> dict[str, Entry]:
    """Read findings and patient by file name. `No Finding` is the absence of findings, never one of them."""
    rows = _read_table(root / _ENTRIES, ["Image Index", "Finding Labels"])
    entries = {}
    for row, patient in zip(rows, _read_patients(rows), strict=True):
        name, findings = row["Image Index"], row["Finding Labels"].split("|")
        if not all(findings) or not patient:
            raise UsageError(
                f"{name} lacks a finding or a patient in {_ENTRIES}: healthy images are labelled No Finding, "
                "and Patient ID, or the file name up to its last _, says whose they are."
            )
        entries[name] = Entry(set(findings) - {"No Finding"}, patient)
    return entries


def _read_patients(rows: list[dict[str, str]]) -> list[str]:
    """Read the patient of every row: from the column Patient ID, or from the file name where that is absent or empty.

    "1" and "00000001" are the same patient, whichever of the two spells it.
    """
    column = [row.get("Patient ID", "").strip() for row in rows]
    if any(column) and not all(column):
        name = rows[column.index("")]["Image Index"]
        raise UsageError(
            f"{_ENTRIES} has a Patient ID for some images but not for {name} ({column.count('')} such): fill in "
            "the column, or take it out so that file names tell the patients."
        )
    patients = column if any(column) else [row["Image Index"].rpartition("_")[0] for row in rows]
    return [str(int(patient)) if patient.isdecimal() else patient for patient in patients]


def _read_lists(root: Path, entries: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Read the official lists, and see that they share neither image nor patient."""
    lists = {name: _require_file(root / name).read_text(encoding="utf-8").split() for name in (_TRAIN_VAL, _TEST)}
    lists = {name: list(dict.fromkeys(names)) for name, names in lists.items()}  # without repetitions
    for list_name, names in lists.items():
        if unknown := [name for name in names if name not in entries]:
            raise UsageError(f"{list_name} names {unknown[0]}, which {_ENTRIES} lacks ({len(unknown)} such).")
    for kind, common in {
        "image": set(lists[_TRAIN_VAL]) & set(lists[_TEST]),
        "patient": set.intersection(*({entries[name].patient for name in names} for names in lists.values())),
    }.items():
        if common:
            raise UsageError(
                f"{_TRAIN_VAL} and {_TEST} share {len(common)} {kind}s, {min(common)} among them: "
                "a test on them would be void; take them out of one list."
            )
    return lists


def _find_files(root: Path) -> dict[str, Path]:
    """Find all images, by name: the official archives unpack to `images_001/images` and so on."""
    folders = [root / "images", *sorted(root.glob("images_*/images"))]
    files = {file.name: file for folder in folders if folder.is_dir() for file in folder.iterdir()}
    if not files:
        raise UsageError(f"{root} has no images: they belong in images/ or images_001/images/ and so on.")
    return files


def _read_boxes(root: Path, size: int, sizes: Mapping[str, np.ndarray]) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Read the boxes of some images, by name: the finding, and x0, y0, x1, y1 in pixels of the square.

    Args:
        root: folder of the data.
        size: side of the square in pixels.
        sizes: width and height of every image as stored, which give the scale; boxes of others are left out.
    """
    boxes: dict[str, list[tuple[str, np.ndarray]]] = {name: [] for name in sizes}
    for row in _read_table(root / _BOXES, ["Image Index", "Finding Label", *_BOX_COLUMNS]):
        name = row["Image Index"]
        if name not in sizes:
            continue  # of the other list
        try:
            x, y, width, height = (float(row[column]) for column in _BOX_COLUMNS)
        except ValueError as error:
            raise UsageError(f"a box of {name} in {_BOXES} is not four numbers: {error}.") from error
        corners = np.array([[x, y], [x + width, y + height]]).clip(0, sizes[name])
        if not (corners[0] < corners[1]).all():
            raise UsageError(
                f"a box of {name} in {_BOXES} lies outside its image of {sizes[name][0]}×{sizes[name][1]} "
                "pixels: boxes are in pixels of the stored image, so use the images that they were drawn on."
            )
        finding = row["Finding Label"].replace("Infiltrate", "Infiltration")  # the box list misspells it
        boxes[name].append((finding, (corners / sizes[name] * size).ravel()))
    return boxes


def _read_table(file: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    with _require_file(file).open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, restval="")
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise UsageError(f"{file} has no column '{missing[0]}': its first line must name {', '.join(columns)}.")
        return list(reader)


def _require_file(file: Path) -> Path:
    if not file.is_file():
        raise UsageError(f"{file} is missing: data.source=nih reads a folder laid out like ChestX-ray14.")
    return file
