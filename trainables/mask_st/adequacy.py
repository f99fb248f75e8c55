"""Adequacy of mask_st's splits: patients with and without each class, and the classes that AUROC leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from trainables.adequacy import checks
from trainables.adequacy.assessment import Adequacy, DataFinding
from trainables.adequacy.checks import ASSUMED_SCORE
from trainables.adequacy.counts import IMAGES, SPLIT_TITLES, Unit, list_counts
from trainables.contract import Split
from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import load_split
from trainables.mask_st.split import Examples
from trainables.measuring import intervals
from trainables.settings import abbreviate

PATIENTS = Unit("patient", "patients")


def assess(config: Config, data: Data, splits: Sequence[Split]) -> Adequacy:
    """Assess some splits, training among them.

    Raises:
        UsageError: as `load_split` does.
    """
    parts_by_split: dict[Split, Examples] = {split: load_split(config, data, split) for split in splits}
    return Adequacy.of(parts_by_split, describe, partial(check, data=data))


def describe(split: Split, examples: Examples) -> str:
    """Describe a split in a line."""
    counts = list_counts(examples.classes, examples.labels.sum(axis=0).astype(int))
    parts = [
        f"{IMAGES.count(len(examples))} of {PATIENTS.count(len(set(examples.patients)))}",
        f"positives: {counts}",
    ]
    if split != "train":
        parts.append(f"AUROC of {examples.scored_classes.sum()} of {len(examples.classes)} classes")
    if examples.calibration.any():
        rest = int((~examples.calibration).sum())
        parts.append(f"{examples.calibration.sum()} choose the thresholds with which F1 is scored on {rest}")
    return " · ".join(parts)


def check(split: Split, examples: Examples, train: Examples, data: Data) -> Iterator[DataFinding]:
    """Find where the metrics of a split, validation or test, rest on too little."""
    metric, mask = f"{split}/auroc_macro", examples.scored_classes
    counts = examples.labels.sum(axis=0)
    remedy = _remedy(split, data)
    yield from checks.check_classes(
        metric,
        examples.classes,
        mask,
        {
            "training has none": train.labels.sum(axis=0) == 0,
            "every training image has it": train.labels.sum(axis=0) == len(train),
            f"{SPLIT_TITLES[split]} has none": counts == 0,
            f"every image of {SPLIT_TITLES[split]} has it": counts == len(examples),
        },
        remedy,
    )
    with_class, without = _count_patients(examples)
    scarcest = int(np.flatnonzero(mask)[np.argmin(with_class[mask])])
    yield from checks.check_half_width(
        metric,
        intervals.macro_auroc_half_width(with_class[mask].tolist(), without[mask].tolist(), ASSUMED_SCORE),
        f"{SPLIT_TITLES[split]} has {PATIENTS.count(int(with_class[scarcest]))} with {examples.classes[scarcest]}, the "
        "scarcest class",
        remedy,
    )
    if singles := [examples.classes[index] for index in np.flatnonzero(mask & (with_class == 1))]:
        yield DataFinding(
            "one patient",
            f"all positives of {abbreviate(singles)} in {SPLIT_TITLES[split]} are one patient's; {remedy}.",
        )
    yield from checks.check_shared(
        PATIENTS, train.patients, examples.patients, split, "put all images of a patient into one split"
    )
    if split == "val":
        yield from _check_calibration(examples, data)


def _check_calibration(val: Examples, data: Data) -> Iterator[DataFinding]:
    """Check that the calibration part can choose thresholds, and leaves F1 enough."""
    setting = f"data.calibration_share ({data.calibration_share:g})"
    counts = val.labels[val.calibration].sum(axis=0)
    if names := [val.classes[index] for index in np.flatnonzero(val.scored_classes & (counts == 0))]:
        yield DataFinding(
            "no threshold",
            f"no calibration image of validation has {abbreviate(names)}, so no threshold is reached there and F1 is "
            f"0 whatever the model; raise {setting}, or add images.",
        )
    calibration, evaluation = (
        len({patient for patient, part in zip(val.patients, val.calibration, strict=True) if part == side})
        for side in (True, False)
    )
    if calibration > evaluation:  # half, the default, is no finding: AUROC, which ranks trials, is scored on all
        yield from checks.check_calibration(PATIENTS, calibration, evaluation, setting)


def _count_patients(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Count the patients with and without a positive image of each class, int64 `[K]` each, at least 1.

    Images of one patient are alike, so patients are what an interval is computed from.
    """
    patients = np.unique(examples.patients, return_inverse=True)[1]
    positive = np.zeros((patients.max() + 1, len(examples.classes)), dtype=bool)
    negative = positive.copy()
    np.logical_or.at(positive, patients, examples.labels > 0)
    np.logical_or.at(negative, patients, examples.labels == 0)
    return np.maximum(positive.sum(axis=0), 1), np.maximum(negative.sum(axis=0), 1)


def _remedy(split: Split, data: Data) -> str:
    if split == "test":
        return "add patients to the test list"
    if data.source == "synthetic":
        return f"raise data.val_size ({data.val_size})"
    share = f"raise data.val_share ({data.val_share:g}), take another data.split_seed than {data.split_seed}"
    return f"{share}, or add patients"
