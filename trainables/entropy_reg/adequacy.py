"""Adequacy of entropy_reg's splits: the images of a fold, and the viewers and fixations on each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from trainables.adequacy import checks
from trainables.adequacy.assessment import Adequacy, DataFinding
from trainables.adequacy.counts import IMAGES, SPLIT_TITLES, Unit, format_range
from trainables.contract import Split
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.data import load_split
from trainables.entropy_reg.split import Stimuli

FIXATIONS = Unit("fixation", "fixations")

MIN_VIEWERS = 5
"""Viewers of an image below which its map of fixations shows the persons rather than the image."""


def assess(config: Config, data: Data, splits: Sequence[Split]) -> Adequacy:
    """Assess some splits, training among them.

    Raises:
        UsageError: as `load_split` does.
    """
    parts_by_split: dict[Split, Stimuli] = {split: load_split(config, data, split) for split in splits}
    return Adequacy.of(parts_by_split, partial(describe, data=data), partial(check, data=data))


def describe(split: Split, stimuli: Stimuli, data: Data) -> str:
    """Describe a split in a line."""
    counts = stimuli.fixation_counts
    parts = [
        IMAGES.count(len(stimuli)),
        f"{FIXATIONS.count(int(counts.sum()))}, {format_range(counts)} an image",
    ]
    if stimuli.viewers is not None:
        parts.append(f"{format_range(stimuli.viewers)} viewers an image")
    if split != "train" and data.source != "synthetic":
        parts.append(f"one of {data.folds} folds")
    return " · ".join(parts)


def check(split: Split, stimuli: Stimuli, train: Stimuli, data: Data) -> Iterator[DataFinding]:
    """Find where the metrics of a split, validation or test, rest on too little."""
    remedy = f"raise data.val_size ({data.val_size})"
    if data.source != "synthetic":
        remedy = f"lower data.folds ({data.folds}), so that a fold has more images, or add images"
    yield from checks.check_units(f"{split}/information_gain_bits and the other metrics", IMAGES, len(stimuli), remedy)
    for name, viewers in ((split, stimuli.viewers), ("train", train.viewers)):
        if viewers is not None and split != "test" and np.median(viewers) < MIN_VIEWERS:
            yield _describe_viewers(name, float(np.median(viewers)))


def _describe_viewers(split: Split, median: float) -> DataFinding:
    effect = "the centre bias and the model learn" if split == "train" else "kl_bits, cc and sim compare with"
    return DataFinding(
        "few viewers",
        f"half of the images of {SPLIT_TITLES[split]} have at most {median:g} viewers, so that {effect} the gaze of "
        f"few persons rather than what the image attracts: record {MIN_VIEWERS} or more an image, or leave out images "
        "with fewer.",
    )
