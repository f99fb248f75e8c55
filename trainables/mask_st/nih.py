"""X-rays of a folder laid out like NIH ChestX-ray14: its two official lists, its table of findings, its boxes."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from trainables.contract import Split
from trainables.images.squares import decode_once, split_by_group
from trainables.mask_st.config import Data
from trainables.mask_st.examples import Examples
from trainables.settings import Notice, UsageError

_ENTRIES, _BOXES = "Data_Entry_2017.csv", "BBox_List_2017.csv"
_TRAIN_VAL, _TEST = "train_val_list.txt", "test_list.txt"
_CORNER = ("Bbox [x", "y", "w", "h]")  # columns of the box list, literally


def load(size: int, data: Data, split: Split) -> Examples:
    """One split of the folder `data.root` at an image size; only `test` reads the test list's images.

    Raises:
        UsageError: files that are missing, unreadable or at odds with themselves.
    """
    if split == "test":
        return _listed(size, data, _TEST)
    listed = _listed(size, data, _TRAIN_VAL)
    validation = split_by_group(listed.patients, data.val_share, data.split_seed)
    return listed.select(validation == (split == "val"))


@lru_cache(maxsize=4)
def _listed(size: int, data: Data, list_name: str) -> Examples:
    """The readable images of one of the two official lists."""
    root = data.folder
    entries = _entries(root)
    lists = _lists(root, entries)
    classes, unknown = _classes(entries, lists)
    if unknown and list_name == _TEST:
        warnings.warn(
            f"left out, because {_TRAIN_VAL} has none of them: {', '.join(unknown)} of {_TEST}.",
            Notice,
            stacklevel=2,
        )
    files = _files(root)
    asked = [files.get(name, root / "images" / name) for name in lists[list_name]]
    decoded = decode_once(asked, size, channels=1, cache=data.cache, bad_images=data.bad_images, title="chest X-rays")
    names = [asked[place].name for place in decoded.kept]
    boxes = _boxes(root, size, dict(zip(names, decoded.sizes, strict=True)))
    return Examples(
        images=decoded.pixels,
        rows=np.arange(len(names)),
        labels=np.array([[each in entries[name][0] for each in classes] for name in names], dtype=np.float32),
        boxes=[np.array([box for _, box in boxes[name]], np.float32).reshape(-1, 4) for name in names],
        findings=[tuple(finding for finding, _ in boxes[name]) for name in names],
        classes=classes,
        names=names,
        patients=[entries[name][1] for name in names],
        calibration=np.zeros(len(names), dtype=bool),
        bad=decoded.bad,
    )


def _classes(
    entries: Mapping[str, tuple[set[str], str]], lists: Mapping[str, list[str]]
) -> tuple[tuple[str, ...], list[str]]:
    """The findings of train_val, which a model can learn, and those that only the test list has."""
    learnt, tested = (set().union(*(entries[name][0] for name in lists[each])) for each in (_TRAIN_VAL, _TEST))
    return tuple(sorted(learnt)), sorted(tested - learnt)


def _entries(root: Path) -> dict[str, tuple[set[str], str]]:
    """Findings and patient by file name. `No Finding` is the absence of findings, never one of them."""
    rows = _table(root / _ENTRIES, ["Image Index", "Finding Labels"])
    patients = _patients(rows)
    entries = {}
    for row, patient in zip(rows, patients, strict=True):
        name, findings = row["Image Index"], row["Finding Labels"].split("|")
        if not all(findings) or not patient:
            raise UsageError(
                f"{name} lacks a finding or a patient in {_ENTRIES}: healthy images are labelled No Finding, "
                "and Patient ID, or the file name up to its last _, says whose they are."
            )
        entries[name] = (set(findings) - {"No Finding"}, patient)
    return entries


def _patients(rows: list[dict[str, str]]) -> list[str]:
    """Whose each row is: by the column Patient ID, or by the file name where that is absent or empty.

    "1" and "00000001" are one patient, whichever of the two spells it.
    """
    column = [row.get("Patient ID", "").strip() for row in rows]
    if any(column) and not all(column):
        lacking = rows[column.index("")]["Image Index"]
        raise UsageError(
            f"{_ENTRIES} has a Patient ID for some images but not for {lacking} ({column.count('')} such): fill in "
            "the column, or take it out so that file names tell the patients."
        )
    named = column if any(column) else [row["Image Index"].rpartition("_")[0] for row in rows]
    return [str(int(each)) if each.isdecimal() else each for each in named]


def _lists(root: Path, entries: Mapping[str, tuple[set[str], str]]) -> dict[str, list[str]]:
    """The official lists as they stand, once they are known to share neither image nor patient."""
    lists = {name: _present(root / name).read_text(encoding="utf-8").split() for name in (_TRAIN_VAL, _TEST)}
    lists = {name: list(dict.fromkeys(names)) for name, names in lists.items()}  # named twice, used once
    for list_name, names in lists.items():
        if unknown := [name for name in names if name not in entries]:
            raise UsageError(f"{list_name} names {unknown[0]}, which {_ENTRIES} lacks ({len(unknown)} such).")
    for what, shared in {
        "image": set(lists[_TRAIN_VAL]) & set(lists[_TEST]),
        "patient": set.intersection(*({entries[name][1] for name in names} for names in lists.values())),
    }.items():
        if shared:
            raise UsageError(
                f"{_TRAIN_VAL} and {_TEST} share {len(shared)} {what}s, {min(shared)} among them: "
                "a test on them would be void; take them out of one list."
            )
    return lists


def _files(root: Path) -> dict[str, Path]:
    """Every image by name: the official archives unpack to `images_001/images` and so on."""
    folders = [root / "images", *sorted(root.glob("images_*/images"))]
    files = {file.name: file for folder in folders if folder.is_dir() for file in folder.iterdir()}
    if not files:
        raise UsageError(f"{root} has no images: they belong in images/ or images_001/images/ and so on.")
    return files


def _boxes(root: Path, size: int, stored: Mapping[str, np.ndarray]) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Finding and box in pixels of the square, by name of the image; its stored size gives the scale."""
    boxes: dict[str, list[tuple[str, np.ndarray]]] = {name: [] for name in stored}
    for row in _table(root / _BOXES, ["Image Index", "Finding Label", *_CORNER]):
        name = row["Image Index"]
        if name not in stored:
            continue  # of another list
        try:
            x, y, width, height = (float(row[column]) for column in _CORNER)
        except ValueError as error:
            raise UsageError(f"a box of {name} in {_BOXES} is not four numbers: {error}.") from error
        corners = np.array([[x, y], [x + width, y + height]]).clip(0, stored[name])
        if not (corners[0] < corners[1]).all():
            raise UsageError(
                f"a box of {name} in {_BOXES} lies outside its image of {stored[name][0]}×{stored[name][1]} "
                "pixels: boxes are in pixels of the stored image, so use the images that they were drawn on."
            )
        finding = row["Finding Label"].replace("Infiltrate", "Infiltration")  # the list's own slip
        boxes[name].append((finding, (corners / stored[name] * size).ravel()))
    return boxes


def _table(file: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    with _present(file).open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, restval="")
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise UsageError(f"{file} has no column '{missing[0]}': its first line must name {', '.join(columns)}.")
        return list(reader)


def _present(file: Path) -> Path:
    if not file.is_file():
        raise UsageError(f"{file} is missing: data.source=nih reads a folder laid out like ChestX-ray14.")
    return file
