"""Adequacy of seq_attention's splits: images that are scored and counted, and counts that training never saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from trainables.adequacy import checks
from trainables.adequacy.assessment import Adequacy, DataFinding
from trainables.adequacy.counts import IMAGES, SPLIT_TITLES, Unit, format_range, list_counts
from trainables.contract import Split
from trainables.images.split import calibration_part, scored_part
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import load_split
from trainables.seq_attention.sources import coco
from trainables.seq_attention.split import Scenes, select_evenly

OBJECTS = Unit("object", "objects")


def assess(config: Config, data: Data, splits: Sequence[Split]) -> Adequacy:
    """Assess some splits, training among them.

    Raises:
        UsageError: as `load_split` does.
    """
    parts_by_split: dict[Split, Scenes] = {split: load_split(config, data, split) for split in splits}
    return Adequacy.of(parts_by_split, partial(describe, data=data), partial(check, data=data))


def describe(split: Split, scenes: Scenes, data: Data) -> str:
    """Describe a split in a line."""
    counts = scenes.counts
    parts = [
        IMAGES.count(len(scenes)),
        f"{OBJECTS.count(int(counts.sum()))}, {format_range(counts)} an image",
    ]
    if scenes.calibration.any():
        parts.append(f"{scenes.calibration.sum()} for thresholds")
    if split != "train":
        subset = scored_part(scenes)
        objects, rolled_out = OBJECTS.count(int(subset.counts.sum())), len(select_evenly(subset, data.rollout_images))
        parts.append(f"{len(subset)} scored, with {objects}; {rolled_out} of them by roll-outs, too")
    return " · ".join(parts)


def check(split: Split, scenes: Scenes, train: Scenes, data: Data) -> Iterator[DataFinding]:
    """Find where the metrics of a split, validation or test, rest on too little."""
    subset, remedy = scored_part(scenes), _remedy(split, data)
    yield from checks.check_units(f"{split}/hit, {split}/done_ap and the other metrics", IMAGES, len(subset), remedy)
    rolled_out = select_evenly(subset, data.rollout_images)
    if len(rolled_out) < len(subset):
        counts = f"{split}/count_score and the other metrics of roll-outs"
        setting = f"raise data.rollout_images ({data.rollout_images})"
        yield from checks.check_units(counts, IMAGES, len(rolled_out), setting)
    if split == "val":
        calibration = len(calibration_part(scenes))
        setting = f"data.calibration_share ({data.calibration_share:g})"
        yield from checks.check_calibration(IMAGES, calibration, len(subset), setting)
    yield from _check_counts(split, subset, train)
    if data.source == "coco":
        yield from _check_categories(split, subset, train, data)


def _check_counts(split: Split, subset: Scenes, train: Scenes) -> Iterator[DataFinding]:
    """Check that training has images with as many objects as those that are scored, and with as few."""
    low, high = int(train.counts.min()), int(train.counts.max())
    outside = (subset.counts < low) | (subset.counts > high)
    if outside.any():
        yield DataFinding(
            "counts outside training",
            f"{SPLIT_TITLES[split]} scores {IMAGES.count(int(outside.sum()))} with "
            f"{format_range(subset.counts[outside])} objects, where training images have "
            f"{format_range(train.counts)}: counting so many was never learnt; bound both with "
            "data.min_objects and data.max_objects, or add training images.",
        )


def _check_categories(split: Split, subset: Scenes, train: Scenes, data: Data) -> Iterator[DataFinding]:
    """Check that training has objects of each category whose objects are scored."""
    counts, train_counts = _count_categories(split, subset, data), _count_categories("train", train, data)
    unknown = {name: count for name, count in counts.items() if name and not train_counts[name]}
    if unknown:
        text = list_counts(list(unknown), list(unknown.values()))
        rest = ",".join(sorted(name for name in train_counts if name)) or "NAMES"
        yield DataFinding(
            "categories outside training",
            f"{SPLIT_TITLES[split]} scores objects of categories of which training has none ({text}): they were "
            f"never learnt; leave them out with data.categories={rest}, or add training images.",
        )


def _count_categories(split: Split, scenes: Scenes, data: Data) -> Counter[str]:
    """Count the objects of each category on some images of COCO's format."""
    names = set(scenes.names)
    return Counter(
        category for image in coco.list_images(data, split) if image.name in names for category in image.categories
    )


def _remedy(split: Split, data: Data) -> str:
    if data.source == "synthetic":
        return f"raise data.val_size ({data.val_size})"
    return f"add images to {SPLIT_TITLES[split]}"
