"""Adequacy of noise_mask's splits: images of each class, and the classes that balanced accuracy leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from trainables.adequacy import checks
from trainables.adequacy.assessment import Adequacy, DataFinding
from trainables.adequacy.checks import ASSUMED_SCORE
from trainables.adequacy.counts import IMAGES, SPLIT_TITLES, list_counts
from trainables.contract import Split
from trainables.measuring import intervals
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.data import load_split
from trainables.noise_mask.split import ClassImages


def assess(config: Config, data: Data, splits: Sequence[Split]) -> Adequacy:
    """Assess some splits, training among them.

    Raises:
        UsageError: as `load_split` does.
    """
    parts_by_split: dict[Split, ClassImages] = {split: load_split(config, data, split) for split in splits}
    return Adequacy.of(parts_by_split, describe, partial(check, data=data))


def describe(split: Split, images: ClassImages) -> str:
    """Describe a split in a line."""
    parts = [IMAGES.count(len(images)), f"of each class: {list_counts(images.classes, images.class_counts)}"]
    if split != "train":
        parts.append(f"recall of {images.scored_classes.sum()} of {len(images.classes)} classes")
    return " · ".join(parts)


def check(split: Split, images: ClassImages, train: ClassImages, data: Data) -> Iterator[DataFinding]:
    """Find where the metrics of a split, validation or test, rest on too little."""
    metric, mask, counts = f"{split}/accuracy_balanced_maskfree", images.scored_classes, images.class_counts
    remedy = _remedy(split, data)
    yield from checks.check_classes(
        metric,
        images.classes,
        mask,
        {"training has none": train.class_counts == 0, f"{SPLIT_TITLES[split]} has none": counts == 0},
        remedy,
    )
    scarcest = int(np.flatnonzero(mask)[np.argmin(counts[mask])])
    name, count = images.classes[scarcest], int(counts[scarcest])
    yield from checks.check_step(metric, f"{name} in {SPLIT_TITLES[split]}", count, int(mask.sum()), remedy)
    yield from checks.check_half_width(
        metric,
        intervals.macro_recall_half_width(counts[mask].tolist(), ASSUMED_SCORE),
        f"{SPLIT_TITLES[split]} has {IMAGES.count(count)} of {name}, the scarcest class",
        remedy,
    )


def _remedy(split: Split, data: Data) -> str:
    if data.source == "synthetic":
        return f"raise data.val_size ({data.val_size})"
    share = f"data.{split}_share ({data.test_share if split == 'test' else data.val_share:g})"
    return f"add images to its folder, or raise {share} where it has none"
