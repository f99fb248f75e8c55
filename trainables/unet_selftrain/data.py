"""Micrographs and particles of unet_selftrain: synthetic ones, or a folder of them (`micrographs`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from trainables.contract import Split
from trainables.images.squares import rank, split_by_group
from trainables.settings import UsageError
from trainables.unet_selftrain import folder, synthetic
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.encoders import check
from trainables.unet_selftrain.micrographs import Micrographs


def load(config: Config, data: Data, split: Split) -> Micrographs:
    """One split at the config's downsampling, made once per process; only `test` decodes the test split's micrographs.

    Training hides particles as `label_share` says; validation and test hide none. Validation has its calibration part
    marked: whole folders where it is split by folder and has several, else micrographs.

    Raises:
        UsageError: data that are missing, unreadable, at odds with themselves or too few.
    """
    return _loaded(config.downsample, data, split)


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits into the cache, with a progress bar; the same for all trials of that downsampling.

    Raises:
        UsageError: a network or weights that there are not; or as `load` does.
    """
    check(config)
    for split in splits:
        load(config, data, split)


@lru_cache(maxsize=8)
def _loaded(downsample: int, data: Data, split: Split) -> Micrographs:
    source = synthetic if data.source == "synthetic" else folder
    micrographs = source.load(downsample, data, split)
    if split == "train":
        return _hiding(micrographs, data)
    if split == "val":
        return replace(micrographs, calibration=_calibration(micrographs, data))
    return micrographs


def _hiding(micrographs: Micrographs, data: Data) -> Micrographs:
    """Each micrograph keeps its share of particles, to the nearest number; a smaller share keeps some of the same."""
    known, hidden = [], []
    for name, points in zip(micrographs.names, micrographs.known, strict=True):
        first = _order(name, points, data.split_seed)[: round(data.known_share * len(points))]
        chosen = np.isin(np.arange(len(points)), first)
        known.append(points[chosen])
        hidden.append(points[~chosen])
    if not any(map(len, known)):
        particles = sum(map(len, hidden))
        raise UsageError(
            f"data.label_share={data.label_share} leaves training none of its {particles} particles: raise it."
            if particles
            else f"none of the {len(micrographs)} training micrographs has a particle: give coordinates."
        )
    return replace(micrographs, known=known, hidden=hidden)


def _order(name: str, points: np.ndarray, seed: int) -> np.ndarray:
    """In which order a micrograph's particles become known, whatever their order in the file."""
    shuffled = np.random.default_rng(int.from_bytes(rank(seed, name)[:8], "big")).permutation(len(points))
    order: np.ndarray = np.lexsort(points.T)[shuffled]
    return order


def _calibration(micrographs: Micrographs, data: Data) -> np.ndarray:
    if len(micrographs) < 2:
        raise UsageError(
            "validation has a single micrograph, but needs one to choose thresholds on and one to judge: raise "
            f"data.val_share={data.val_share}, or add micrographs."
        )
    by_folder = data.split_by == "folder" and len(set(micrographs.groups)) > 1
    chosen = split_by_group(
        micrographs.groups if by_folder else micrographs.names, data.calibration_share, data.split_seed
    )
    for part, words in ((chosen, "calibration"), (~chosen, "scored")):
        if not any(len(micrographs.truth(place)) for place in np.flatnonzero(part).tolist()):
            raise UsageError(
                f"none of the {part.sum()} {words} micrographs of validation has a particle: take another "
                f"data.split_seed than {data.split_seed}, or raise data.val_share={data.val_share}."
            )
    return chosen
