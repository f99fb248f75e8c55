"""Micrographs and particles of unet_selftrain: what training knows of them, and on which thresholds are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainables.contract import Split
from trainables.images.split import CalibrationWords, cache_splits, choose_calibration
from trainables.images.squares import rank_key
from trainables.settings import UsageError
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.sources import micrographs, synthetic
from trainables.unet_selftrain.split import Micrographs

SOURCES = {"synthetic": synthetic, "micrographs": micrographs}


@cache_splits("downsample")
def load_split(config: Config, data: Data, split: Split) -> Micrographs:
    """Load one split at the config's downsampling; only `test` decodes the test split's micrographs.

    Training hides particles as `label_share` says; validation and test hide none. Validation has its calibration part
    marked: whole folders where it is split by folder and has several, else micrographs.

    Raises:
        UsageError: data that are missing, unreadable, contradictory or too few.
    """
    part = SOURCES[data.source].load(config, data, split)
    if split == "train":
        return hide_particles(part, data)
    if split == "val":
        return replace(part, calibration=_choose_calibration(part, data))
    return part


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Decode some splits into the cache, with a progress bar; the same for all trials of that downsampling.

    Raises:
        UsageError: as `load_split` does.
    """
    for split in splits:
        load_split(config, data, split)


def hide_particles(part: Micrographs, data: Data) -> Micrographs:
    """Hide all but a share of each micrograph's particles, to the nearest number.

    The particles that a smaller share leaves are among those of a larger one.

    Raises:
        UsageError: no particle is left.
    """
    known_particles, hidden_particles = [], []
    for name, points in zip(part.names, part.known_particles, strict=True):
        indices = _order(name, points, data.split_seed)[: round(data.known_share * len(points))]
        known_mask = np.isin(np.arange(len(points)), indices)
        known_particles.append(points[known_mask])
        hidden_particles.append(points[~known_mask])
    if not any(map(len, known_particles)):
        count = sum(map(len, hidden_particles))
        raise UsageError(
            f"data.label_share={data.label_share} leaves training none of its {count} particles: raise it."
            if count
            else f"none of the {len(part)} training micrographs has a particle: give coordinates."
        )
    return replace(part, known_particles=known_particles, hidden_particles=hidden_particles)


def _order(name: str, points: np.ndarray, seed: int) -> np.ndarray:
    """Order a micrograph's particles at random, whatever their order in the file: their indices, `[n]`."""
    generator = np.random.default_rng(int.from_bytes(rank_key(seed, name)[:8], "big"))
    order: np.ndarray = np.lexsort(points.T)[generator.permutation(len(points))]
    return order


def _choose_calibration(val: Micrographs, data: Data) -> np.ndarray:
    by_folder = data.split_by == "folder" and len(set(val.groups)) > 1
    return choose_calibration(
        val.groups if by_folder else val.names,
        data.calibration_share,
        data.split_seed,
        np.array([len(val.particles(index)) > 0 for index in range(len(val))]),
        CalibrationWords(
            unit="micrograph",
            units="micrographs",
            content="a particle",
            single=f"raise data.val_share={data.val_share}, or add micrographs",
            empty=f"take another data.split_seed than {data.split_seed}, or raise data.val_share={data.val_share}",
        ),
    )
