"""Images, labels and boxes of mask_st: synthetic pictures, or a folder laid out like NIH ChestX-ray14.

Both are grey and stored with one channel; a model that takes three repeats it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np

from trainables.contract import Split
from trainables.images import decode_once, split_by_group
from trainables.mask_st.config import Config, Data
from trainables.settings import UsageError

_GLYPHS = ("ring", "cross", "disc", "stripes")
_GLYPH_SHARE = 0.3  # probability of each glyph in an image
_MEASURED = 512  # training images from which mean and standard deviation are taken
_ENTRIES, _BOXES = "Data_Entry_2017.csv", "BBox_List_2017.csv"
_TRAIN_VAL, _TEST = "train_val_list.txt", "test_list.txt"
_CORNER = ("Bbox [x", "y", "w", "h]")  # columns of the box list, literally


@dataclass(frozen=True)
class Examples:
    """One split. Its arrays are read-only, because all trials of a process share them.

    Attributes:
        images: uint8 `[M, S, S, 1]`, M ≥ N; may hold other splits' images, so go through `rows` or `batch`.
        rows: int64 `[N]`; example i is `images[rows[i]]`.
        labels: float32 `[N, K]`, 0 or 1.
        boxes: per example float32 `[n, 4]`, x0, y0, x1, y1 in pixels of the S×S image; n may be 0.
        findings: per example the n names of what is boxed; not all of them need be classes.
        classes: the K names.
        names: N file names.
        patients: N patients; no two splits share one.
        calibration: bool `[N]`, the examples on which thresholds are chosen; all false but in validation.
        bad: name and reason of every listed image that was left out.
        mean: mean of the training split's pixels, black being 0 and white 1.
        std: their standard deviation.
    """

    images: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    boxes: list[np.ndarray]
    findings: list[tuple[str, ...]]
    classes: tuple[str, ...]
    names: list[str]
    patients: list[str]
    calibration: np.ndarray
    bad: tuple[tuple[str, str], ...] = ()
    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        for array in (self.images, self.rows, self.labels, self.calibration, *self.boxes):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the examples: images uint8 `[B, S, S, 1]`, labels float32 `[B, K]`."""
        chosen = np.asarray(rows, dtype=np.int64)
        return np.asarray(self.images[self.rows[chosen]]), self.labels[chosen]

    def only(self, kept: np.ndarray) -> Examples:
        """The examples where `kept`, bool `[N]`, is true; the stored images stay shared."""
        places = np.flatnonzero(kept)
        return replace(
            self,
            rows=self.rows[places],
            labels=self.labels[places],
            boxes=[self.boxes[place] for place in places],
            findings=[self.findings[place] for place in places],
            names=[self.names[place] for place in places],
            patients=[self.patients[place] for place in places],
            calibration=self.calibration[places],
        )

    def describe(self) -> dict[str, Any]:
        """Counts of the split: images, patients, positives per class, boxes, images left out."""
        return {
            "images": len(self),
            "patients": len(set(self.patients)),
            "positives": dict(zip(self.classes, self.labels.sum(axis=0).astype(int).tolist(), strict=True)),
            "boxes": sum(map(len, self.boxes)),
            "left_out": len(self.bad),
        }


def load(config: Config, data: Data, split: Split) -> Examples:
    """One split at the config's image size, made once per process; only `test` reads the test list's images.

    Raises:
        UsageError: data that are missing, unreadable or at odds with themselves.
    """
    return _loaded(config.image_size, data, split)


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits into the cache, with a progress bar; the same for all trials of that image size.

    Raises:
        UsageError: data that are missing, unreadable or at odds with themselves.
    """
    for split in splits:
        load(config, data, split)


@lru_cache(maxsize=8)
def _loaded(size: int, data: Data, split: Split) -> Examples:
    examples = _synthetic(size, data, split) if data.source == "synthetic" else _nih(size, data, split)
    if split == "val":
        chosen = split_by_group(examples.patients, data.calibration_share, data.split_seed)
        examples = replace(examples, calibration=chosen)
    if split != "train":
        train = _loaded(size, data, "train")
        return replace(examples, mean=train.mean, std=train.std)
    places = np.linspace(0, len(examples) - 1, min(len(examples), _MEASURED)).astype(int)
    pixels = examples.batch(places)[0] / np.float32(255)
    return replace(examples, mean=float(pixels.mean()), std=float(pixels.std()))


def _synthetic(size: int, data: Data, split: Split) -> Examples:
    """Noise on a smooth background; each class draws its own glyph somewhere, with probability 0.3."""
    count = data.train_size if split == "train" else data.val_size
    rng = np.random.default_rng([data.split_seed, get_args(Split).index(split)])
    side = max(5, round(size / 6))
    present = rng.random((count, len(_GLYPHS))) < _GLYPH_SHARE
    corners = rng.integers(0, size - side + 1, (count, len(_GLYPHS), 2))
    canvas = _background(rng, count, size)
    for column, glyph in enumerate(_glyphs(side)):
        rows = np.flatnonzero(present[:, column])
        strength = rng.uniform(0.15, 0.3, (len(rows), 1, 1)).astype(np.float32)
        x, y = corners[rows, column].T[:, :, None, None]
        canvas[rows[:, None, None], y + np.arange(side)[:, None], x + np.arange(side)] += strength * glyph
    boxes = np.concatenate([corners, corners + side], axis=2).astype(np.float32)
    names = [f"{split}_{row:06d}" for row in range(count)]
    return Examples(
        images=(canvas.clip(0, 1) * 255).astype(np.uint8)[..., None],
        rows=np.arange(count),
        labels=present.astype(np.float32),
        boxes=[each[shown] for each, shown in zip(boxes, present, strict=True)],
        findings=[tuple(np.array(_GLYPHS)[shown].tolist()) for shown in present],
        classes=_GLYPHS,
        names=names,
        patients=names,
        calibration=np.zeros(count, dtype=bool),
    )


def _background(rng: np.random.Generator, count: int, size: int, knots: int = 5) -> np.ndarray:
    """float32 `[count, size, size]` around 0.4: a coarse random grid, interpolated linearly, and noise."""
    places = np.linspace(0, knots - 1, size)
    weights = np.maximum(1 - np.abs(places[:, None] - np.arange(knots)), 0).astype(np.float32)
    coarse = rng.uniform(0.25, 0.55, (count, knots, knots)).astype(np.float32)
    noise = rng.standard_normal((count, size, size), dtype=np.float32)
    background: np.ndarray = weights @ coarse @ weights.T + np.float32(0.06) * noise
    return background


def _glyphs(side: int) -> list[np.ndarray]:
    """float32 `[side, side]` from 0 to 1 per glyph; they reach the borders of their box."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.hypot(x, y)
    shapes = [
        (radius > 0.55) & (radius <= 1.05),
        (abs(x) < 0.25) | (abs(y) < 0.25),
        radius <= 1.05,
        np.arange(side)[:, None] // round(side / 6) % 2 == np.zeros(side),
    ]
    return [shape.astype(np.float32) for shape in shapes]


def _nih(size: int, data: Data, split: Split) -> Examples:
    if split == "test":
        return _listed(size, data, _TEST)
    listed = _listed(size, data, _TRAIN_VAL)
    validation = split_by_group(listed.patients, data.val_share, data.split_seed)
    return listed.only(validation == (split == "val"))


@lru_cache(maxsize=4)
def _listed(size: int, data: Data, list_name: str) -> Examples:
    """The readable images of one of the two official lists."""
    root = Path(str(data.root))
    entries = _entries(root)
    lists = _lists(root, entries)
    classes = tuple(sorted({finding for names in lists.values() for name in names for finding in entries[name][0]}))
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


def _entries(root: Path) -> dict[str, tuple[set[str], str]]:
    """Findings and patient by file name. `No Finding` is the absence of findings, never one of them."""
    entries = {}
    for row in _table(root / _ENTRIES, ["Image Index", "Finding Labels"]):
        name, findings = row["Image Index"], row["Finding Labels"].split("|")
        patient = row.get("Patient ID") or name.rpartition("_")[0]
        if not all(findings) or not patient:
            raise UsageError(
                f"{name} lacks a finding or a patient in {_ENTRIES}: healthy images are labelled No Finding, "
                "and Patient ID, or the file name up to its last _, says whose they are."
            )
        entries[name] = (set(findings) - {"No Finding"}, patient)
    return entries


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
