"""Micrographs of a folder: `images/`, and `coordinates.json` with the centres of their particles.

`coordinates.json` is `{file: [[x, y], …]}`. A file is named with its extension, by its name or by its path relative to
`images/`. x is the column and y the row in pixels of the stored file, counted from 0 at the first column of its first
row. For MRC that is `data[y, x]` as mrcfile gives it: y counts from the first row in the file, even if a program draws
that row at the bottom. Every micrograph has its entry, an empty one where it shows no particle.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from trainables.contract import Split
from trainables.images.cache import decode_files
from trainables.images.squares import split_by_group
from trainables.settings import Notice, UsageError, a_few
from trainables.unet_selftrain.config import Data
from trainables.unet_selftrain.micrographs import Micrographs
from trainables.unet_selftrain.reading import METHOD, MRC, SUFFIXES, TIFF, decode

_IMAGES, _COORDINATES = "images", "coordinates.json"
SMALLEST_SEEN = 2.0  # pixels of a radius after downsampling, below which a user is warned


def load(downsample: int, data: Data, split: Split) -> Micrographs:
    """One split of the folder `data.root`, all particles known; only `test` decodes the test split's micrographs.

    Raises:
        UsageError: files that are missing, unreadable, at odds with themselves or too few.
    """
    if split == "test":
        return _part(downsample, data, test=True)
    rest = _part(downsample, data, test=False)
    units = _units(rest.names, data)
    if len(set(units)) < 2:
        raise UsageError(f"without the test split, only one {data.split_by} is readable: repair or add some.")
    return rest.select(split_by_group(units, data.val_share, data.split_seed) == (split == "val"))


@lru_cache(maxsize=4)
def _part(downsample: int, data: Data, test: bool) -> Micrographs:
    """The readable micrographs of the test split, or of the two others."""
    root = data.folder
    files = _files(root / _IMAGES)
    points = _points(root / _COORDINATES, list(files))
    tested = split_by_group(_splittable(list(files), data), data.test_share, data.split_seed)
    asked = [name for name, held_out in zip(files, tested, strict=True) if held_out == test]
    paths = [files[name] for name in asked]
    decoded = decode_files(
        paths,
        partial(decode, downsample=downsample),
        method=(METHOD, downsample, *_times(paths)),
        cache=data.cache,
        bad_images=data.bad_images,
        title="micrographs",
    )
    names = [asked[place] for place in decoded.kept]
    for name, size in zip(names, decoded.sizes, strict=True):
        _check_inside(name, points[name], size)
    micrographs = Micrographs(
        images=list(decoded),
        names=names,
        groups=[_group(name) for name in names],
        known=[points[name] for name in names],
        hidden=[np.empty((0, 2), np.float32)] * len(names),
        radius=data.particle_radius,
        downsample=downsample,
        calibration=np.zeros(len(names), dtype=bool),
        bad=decoded.bad,
    )
    _check_radius(micrographs, data)
    return micrographs


def _files(folder: Path) -> dict[str, Path]:
    """Every micrograph by its path relative to the folder, in order."""
    found = sorted(folder.rglob("*")) if folder.is_dir() else []
    files = {
        path.relative_to(folder).as_posix(): path
        for path in found
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    }
    if not files:
        raise UsageError(f"{folder} has no micrographs: they belong there, with an ending of {', '.join(SUFFIXES)}.")
    return files


def _points(file: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Per micrograph float32 `[n, 2]`, once files and entries are known to match."""
    entries = _entries(file)
    points: dict[str, np.ndarray] = {}
    names_of = _names_of(names)
    if strays := [key for key in entries if key not in names_of]:
        raise UsageError(
            f"{file.name} names what {_IMAGES}/ does not hold: {a_few(strays)}; name files with their ending, and "
            f"where need be with their folder below {_IMAGES}/."
        )
    for key, listed in entries.items():
        if len(names_of[key]) > 1:
            raise UsageError(
                f"'{key}' in {file.name} may be {a_few(names_of[key])}: give paths relative to {_IMAGES}/."
            )
        name = names_of[key][0]
        if name in points:
            raise UsageError(f"{name} has two entries in {file.name}: put its particles into one.")
        points[name] = _numbers(key, listed, file)
    if lacking := [name for name in names if name not in points]:
        raise UsageError(f"{file.name} lacks {a_few(lacking)}: give a micrograph without particles an empty list.")
    return points


def _entries(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise UsageError(f'{file} is missing: it holds the particles\' centres, {{"FILE": [[x, y], …]}}.')
    try:
        entries = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_without_repeats)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no JSON: {error}.") from error
    if not isinstance(entries, dict):
        raise UsageError(f'{file} holds no object: it must read {{"FILE": [[x, y], …]}}.')
    return entries


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):  # JSON would keep the last one and lose the others' particles
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise UsageError(f"'{repeated}' has two entries in {_COORDINATES}: put its particles into one.")
    return entries


def _names_of(names: Iterable[str]) -> Mapping[str, list[str]]:
    """What a key may mean: a relative path means one file, a name all files of that name."""
    meant: dict[str, list[str]] = {}
    for name in names:
        meant.setdefault(name.rpartition("/")[2], []).append(name)
    return meant | {name: [name] for name in names}


def _numbers(key: str, listed: Any, file: Path) -> np.ndarray:
    try:
        points = np.array(listed)
    except ValueError:  # rows of different lengths
        points = np.array(None)
    if isinstance(listed, list) and not listed:
        return np.empty((0, 2), np.float32)
    if points.dtype.kind not in "iuf" or points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise UsageError(f"'{key}' in {file.name} is no list of pairs of numbers: give [[x, y], …].")
    return points.astype(np.float32)


def _splittable(names: Sequence[str], data: Data) -> list[str]:
    """What stays on one side of a split, by micrograph, once there is enough of it for three splits."""
    if data.split_by == "folder" and (loose := [name for name in names if not _group(name)]):
        raise UsageError(
            f"data.split_by=folder needs every micrograph in a folder below {_IMAGES}/, but there is {a_few(loose)}."
        )
    units = _units(names, data)
    if len(set(units)) < 3:
        raise UsageError(
            f"training, validation and test need 3 {data.split_by}s or more, but {_IMAGES}/ has {len(set(units))}: "
            + ("add some, or split with data.split_by=micrograph." if data.split_by == "folder" else "add some.")
        )
    return units


def _units(names: Sequence[str], data: Data) -> list[str]:
    return [_group(name) if data.split_by == "folder" else name for name in names]


def _group(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""


def _times(files: Sequence[Path]) -> list[int]:
    """For the key: an uncompressed file may be edited in its middle, which changes neither length nor ends."""
    return [file.stat().st_mtime_ns for file in files if file.suffix.lower() in (*MRC, *TIFF)]


def _check_inside(name: str, points: np.ndarray, size: np.ndarray) -> None:
    outside = ((points < -0.5) | (points > size)).any(axis=1)  # the borders count, wherever a pixel's origin is
    if outside.any():
        x, y = points[outside][0]
        raise UsageError(
            f"{name} has a particle at x={x:g}, y={y:g}, outside its {size[0]}×{size[1]} pixels ({outside.sum()} of "
            f"{len(points)} are): x is the column and y the row, in pixels of the stored file."
        )


def _check_radius(micrographs: Micrographs, data: Data) -> None:
    spacing, seen = micrographs.spacing(), micrographs.radius / micrographs.downsample
    if data.radius is None:
        warnings.warn(
            f"data.radius is not given: the published {micrographs.radius:g} pixels are taken; the median distance "
            f"between neighbouring particles is {spacing:.1f}.",
            Notice,
            stacklevel=2,
        )
    if seen < SMALLEST_SEEN:
        warnings.warn(
            f"data.radius={micrographs.radius:g} is {seen:.2g} pixels after downsample={micrographs.downsample}, too "
            "little to learn from: lower downsample.",
            Notice,
            stacklevel=2,
        )
    if spacing < micrographs.radius:
        warnings.warn(
            f"data.radius={micrographs.radius:g} exceeds the median distance of {spacing:.1f} pixels between "
            "neighbouring particles: give it in pixels of the stored files.",
            Notice,
            stacklevel=2,
        )
