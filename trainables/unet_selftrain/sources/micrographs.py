"""Micrographs of a folder: `images/`, and `coordinates.json` with the centres of their particles."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from trainables.contract import Split
from trainables.images.cache import decode_files
from trainables.images.squares import split_by_group
from trainables.settings import Notice, UsageError, abbreviate
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.reading import METHOD, MRC, SUFFIXES, TIFF, decode
from trainables.unet_selftrain.sources.coordinates import COORDINATES, IMAGES, read_coordinates
from trainables.unet_selftrain.split import Micrographs

MIN_PIXEL_RADIUS = 2.0
"""Pixels of a particle's radius after downsampling below which a user is warned."""


def load(config: Config, data: Data, split: Split) -> Micrographs:
    """Load one split of the folder `data.root`, all particles known; only `test` decodes its micrographs.

    Raises:
        UsageError: files that are missing, unreadable, contradictory or too few.
    """
    if split == "test":
        return _load_part(config.downsample, data, test=True)
    rest = _load_part(config.downsample, data, test=False)
    units = _split_units(rest.names, data)
    if len(set(units)) < 2:
        raise UsageError(f"without the test split, only one {data.split_by} is readable: repair or add some.")
    return rest.select(split_by_group(units, data.val_share, data.split_seed) == (split == "val"))


@lru_cache(maxsize=4)
def _load_part(downsample: int, data: Data, test: bool) -> Micrographs:
    """Load the readable micrographs of the test split, or those of the two other splits together."""
    root = data.folder
    files = _list_files(root / IMAGES)
    points = read_coordinates(root / COORDINATES, list(files))
    is_test = split_by_group(_check_units(list(files), data), data.test_share, data.split_seed)
    part = [name for name, in_test in zip(files, is_test, strict=True) if in_test == test]
    paths = [files[name] for name in part]
    store = decode_files(
        paths,
        partial(decode, downsample=downsample),
        method=(METHOD, downsample, *_modification_times(paths)),
        cache=data.cache,
        bad_images=data.bad_images,
        title="micrographs",
    )
    names = [part[index] for index in store.indices]
    for name, size in zip(names, store.sizes, strict=True):
        _check_inside(name, points[name], size)
    micrographs = Micrographs(
        images=list(store),
        names=names,
        groups=[_group(name) for name in names],
        known_particles=[points[name] for name in names],
        hidden_particles=[np.empty((0, 2), np.float32)] * len(names),
        radius=data.particle_radius,
        downsample=downsample,
        calibration=np.zeros(len(names), dtype=bool),
        bad=store.bad,
    )
    _check_radius(micrographs, data)
    return micrographs


def _list_files(folder: Path) -> dict[str, Path]:
    """List the micrographs by their paths relative to the folder, in order."""
    paths = sorted(folder.rglob("*")) if folder.is_dir() else []
    files = {
        path.relative_to(folder).as_posix(): path
        for path in paths
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    }
    if not files:
        raise UsageError(f"{folder} has no micrographs: they belong there, with an ending of {', '.join(SUFFIXES)}.")
    return files


def _check_units(names: Sequence[str], data: Data) -> list[str]:
    """Return the unit of each micrograph, which stays on one side of a split.

    Raises:
        UsageError: too few units for three splits, or a micrograph outside of a folder where folders are the units.
    """
    if data.split_by == "folder" and (loose := [name for name in names if not _group(name)]):
        raise UsageError(
            f"data.split_by=folder needs every micrograph in a folder below {IMAGES}/, but there is "
            f"{abbreviate(loose)}."
        )
    units = _split_units(names, data)
    if len(set(units)) < 3:
        raise UsageError(
            f"training, validation and test need 3 {data.split_by}s or more, but {IMAGES}/ has {len(set(units))}: "
            + ("add some, or split with data.split_by=micrograph." if data.split_by == "folder" else "add some.")
        )
    return units


def _split_units(names: Sequence[str], data: Data) -> list[str]:
    return [_group(name) if data.split_by == "folder" else name for name in names]


def _group(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""


def _modification_times(files: Sequence[Path]) -> list[int]:
    """List the times of uncompressed files, as part of the cache's key.

    The key covers length and both ends of a long file, and editing the middle of an uncompressed one changes neither.
    """
    return [file.stat().st_mtime_ns for file in files if file.suffix.lower() in (*MRC, *TIFF)]


def _check_inside(name: str, points: np.ndarray, size: np.ndarray) -> None:
    # within the borders of either convention: 0 is the centre of the first pixel, or its corner
    outside = ((points < -0.5) | (points > size)).any(axis=1)
    if outside.any():
        x, y = points[outside][0]
        raise UsageError(
            f"{name} has a particle at x={x:g}, y={y:g}, outside its {size[0]}×{size[1]} pixels ({outside.sum()} of "
            f"{len(points)} are): x is the column and y the row, in pixels of the stored file."
        )


def _check_radius(micrographs: Micrographs, data: Data) -> None:
    spacing, pixel_radius = micrographs.spacing(), micrographs.pixel_radius
    if data.radius is None:
        warnings.warn(
            f"data.radius is not given: the published {micrographs.radius:g} pixels are taken; the median distance "
            f"between neighbouring particles is {spacing:.1f}.",
            Notice,
            stacklevel=2,
        )
    if pixel_radius < MIN_PIXEL_RADIUS:
        warnings.warn(
            f"data.radius={micrographs.radius:g} is {pixel_radius:.2g} pixels after "
            f"downsample={micrographs.downsample}, too little to learn from: lower downsample.",
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
