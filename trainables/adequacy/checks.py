"""Checks of splits that several variants share: each yields its finding where a figure rests on too little."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from trainables.adequacy.assessment import DataFinding
from trainables.adequacy.counts import IMAGES, SPLIT_TITLES, Unit
from trainables.contract import Split
from trainables.measuring import intervals
from trainables.settings import abbreviate

MAX_HALF_WIDTH = 0.1
"""Half-width of a 95 % interval beyond which an AUROC or a recall hardly judges: a fifth of the way from 0.5 to 1 on
either side."""

MAX_DEVIATIONS = 0.5
"""Half-width of a mean's 95 % interval, in deviations of what is averaged, beyond which it hardly judges: half a
deviation is a medium effect. Source: Cohen 1988, Statistical power analysis for the behavioral sciences."""

MAX_STEP = 0.05
"""Change of a mean of recalls by a single example beyond which it hardly judges: half of that width."""

ASSUMED_SCORE = 0.8
"""AUROC or recall for which widths are computed before there is a model: at a higher one they are somewhat less."""


def check_classes(
    metric: str, classes: Sequence[str], is_scored: np.ndarray, reasons: Mapping[str, np.ndarray], remedy: str
) -> Iterable[DataFinding]:
    """Check that a mean over classes is one over all of them.

    Args:
        metric: its name.
        classes: names of the K classes.
        is_scored: bool `[K]`.
        reasons: why classes are not scored, in words that follow their names, with the classes, bool `[K]`; the first
            one that holds for a class is said.
        remedy: what to change.
    """
    count, remaining, parts = int(is_scored.sum()), ~is_scored, []
    for reason, mask in reasons.items():
        if names := [classes[index] for index in np.flatnonzero(remaining & mask).tolist()]:
            parts.append(f"{abbreviate(names)} ({reason})")
        remaining = remaining & ~mask
    if count < len(classes):
        mean = f"averages over {count} of {len(classes)} classes" if count > 1 else "is that of a single class"
        single = "" if count > 1 else f", {classes[int(np.argmax(is_scored))]} of {len(classes)}"
        yield DataFinding(
            "classes not scored",
            f"{metric} {mean}{single}: it leaves out {', '.join(parts)}; {remedy}.",
            severe=count == 1 or 2 * count < len(classes),
        )


def check_half_width(metric: str, half_width: float, basis: str, remedy: str) -> Iterable[DataFinding]:
    """Check that the interval of an AUROC or recall is no wider than `MAX_HALF_WIDTH` on either side.

    Args:
        metric: its name.
        half_width: of its 95 % interval at `ASSUMED_SCORE`.
        basis: what it rests on, as the subject of a sentence.
        remedy: what to change.
    """
    if half_width > MAX_HALF_WIDTH:
        yield DataFinding(
            "wide interval",
            f"{basis}: at {ASSUMED_SCORE:g}, the 95 % interval of {metric} is ±{half_width:.2f}, so settings that "
            f"differ by less cannot be told apart by it; {remedy}.",
        )


def check_step(metric: str, name: str, count: int, classes: int, remedy: str) -> Iterable[DataFinding]:
    """Check that no example moves a mean of recalls by more than `MAX_STEP`.

    Args:
        metric: its name.
        name: of the scarcest class.
        count: examples of it.
        classes: that the metric averages over.
        remedy: what to change.
    """
    step = 1 / (count * classes)
    if step > MAX_STEP:
        yield DataFinding(
            "scarce class",
            f"{name} has {IMAGES.count(count)}, each of which moves {metric} by {step:.2g}: {remedy}.",
        )


def check_units(metrics: str, unit: Unit, count: int, remedy: str) -> Iterable[DataFinding]:
    """Check that means over examples, or figures of all of them together, rest on enough examples.

    Args:
        metrics: their names, as the subject of a sentence in the plural.
        unit: of what is averaged.
        count: how many are scored.
        remedy: what to change.
    """
    minimum = intervals.least_count(MAX_DEVIATIONS)
    if count >= minimum:
        return
    if count == 1:
        message = f"{metrics} all rest on a single {unit.one}, so that nothing tells how much they vary"
    else:
        width = intervals.mean_half_width(count)
        message = (
            f"{metrics} rest on {unit.count(count)}: the 95 % interval of a mean over them is ±{width:.2g} times the "
            f"deviation between them; with {minimum} it would be ±{MAX_DEVIATIONS:g}"
        )
    yield DataFinding(f"few {unit.many}", f"{message}; {remedy}.", severe=count == 1)


def check_calibration(unit: Unit, calibration: int, scored: int, setting: str) -> Iterable[DataFinding]:
    """Check the calibration part of validation: smaller than the scored part, and of more than one example.

    Args:
        unit: of what is counted.
        calibration: how many choose thresholds.
        scored: how many are scored.
        setting: the share of the calibration part, as it is set.
    """
    if calibration >= scored:
        yield DataFinding(
            "large calibration part",
            f"validation has {unit.count(calibration)} to choose thresholds on and only {scored} to score: lower "
            f"{setting}, or add {unit.many}.",
        )
    elif calibration == 1:
        yield DataFinding(
            "small calibration part",
            f"a single {unit.one} of validation chooses all thresholds: raise {setting}, or add {unit.many}.",
        )


def check_shared(
    unit: Unit, train: Iterable[str], groups_elsewhere: Iterable[str], split: Split, remedy: str
) -> Iterable[DataFinding]:
    """Check that no group, such as a patient or a folder, is in training as well as in another split."""
    groups = set(groups_elsewhere)
    if shared := sorted(set(train) & groups):
        yield DataFinding(
            f"shared {unit.many}",
            f"{len(shared)} of {unit.count(len(groups))} of {SPLIT_TITLES[split]} are in training as well "
            f"({abbreviate(shared)}), so its figures say little about new ones; {remedy}.",
        )
