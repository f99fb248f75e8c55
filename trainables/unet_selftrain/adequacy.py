"""Adequacy of unet_selftrain's splits: the micrographs that are scored, their particles, and shared folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from trainables.adequacy import checks
from trainables.adequacy.assessment import Adequacy, DataFinding
from trainables.adequacy.counts import SPLIT_TITLES, Unit, format_range
from trainables.contract import Split
from trainables.images.split import calibration_part, scored_part
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.data import load_split
from trainables.unet_selftrain.split import Micrographs

MICROGRAPHS, PARTICLES = Unit("micrograph", "micrographs"), Unit("particle", "particles")
FOLDERS = Unit("folder", "folders")


def assess(config: Config, data: Data, splits: Sequence[Split]) -> Adequacy:
    """Assess some splits, training among them.

    Raises:
        UsageError: as `load_split` does.
    """
    parts_by_split: dict[Split, Micrographs] = {split: load_split(config, data, split) for split in splits}
    return Adequacy.of(parts_by_split, describe, partial(check, data=data))


def describe(split: Split, micrographs: Micrographs) -> str:
    """Describe a split in a line."""
    folders = _list_folders(micrographs)
    count = MICROGRAPHS.count(len(micrographs))
    parts = [f"{count} of {FOLDERS.count(len(folders))}" if folders else count]
    particles = micrographs.particle_counts
    counts = f"{PARTICLES.count(int(particles.sum()))}, {format_range(particles)} a micrograph"
    hidden_count = sum(map(len, micrographs.hidden_particles))
    parts.append(f"{counts}, {hidden_count:,} of them hidden from training" if hidden_count else counts)
    if micrographs.calibration.any():
        subset = scored_part(micrographs)
        parts.append(f"{micrographs.calibration.sum()} for thresholds")
        parts.append(f"{len(subset)} scored, with {PARTICLES.count(int(subset.particle_counts.sum()))}")
    return " · ".join(parts)


def check(split: Split, micrographs: Micrographs, train: Micrographs, data: Data) -> Iterator[DataFinding]:
    """Find where the metrics of a split, validation or test, rest on too little."""
    subset, remedy = scored_part(micrographs), _remedy(split, data)
    yield from checks.check_units(f"{split}/particle_ap and the other metrics", MICROGRAPHS, len(subset), remedy)
    if split == "val":
        calibration = len(calibration_part(micrographs))
        setting = f"data.calibration_share ({data.calibration_share:g})"
        yield from checks.check_calibration(MICROGRAPHS, calibration, len(subset), setting)
    yield from checks.check_shared(
        FOLDERS,
        _list_folders(train),
        _list_folders(micrographs),
        split,
        "where a folder is a protein, data.split_by=folder keeps it on one side",
    )
    if empty := int(np.sum(subset.particle_counts == 0)):
        yield DataFinding(
            "micrographs without particles",
            f"{SPLIT_TITLES[split]} scores {MICROGRAPHS.count(empty)} without particles, where every pick is an error: "
            "complete the coordinates, or take out micrographs that were never picked.",
        )


def _list_folders(micrographs: Micrographs) -> set[str]:
    """List the folders of the micrographs; none where they lie in no folder."""
    return {group for group in micrographs.groups if group}


def _remedy(split: Split, data: Data) -> str:
    if data.source == "synthetic":
        return f"raise data.val_size ({data.val_size})"
    share = f"data.{split}_share ({data.test_share if split == 'test' else data.val_share:g})"
    return f"raise {share}, or add micrographs"
