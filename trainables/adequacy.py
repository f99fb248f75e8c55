"""Adequacy of a variant's splits: what each holds, in a line, and where a figure will rest on too little of it.

A variant's own file `adequacy.py`, which it need not have, assesses its splits before a search begins. Imports no
torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import numpy as np

from trainables.contract import Split
from trainables.files import SPLITS, replace_text
from trainables.images.split import DataSplit
from trainables.measuring import intervals
from trainables.settings import abbreviate

SomeSplit = TypeVar("SomeSplit", bound=DataSplit)

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

LISTED_CLASSES = 8

ADEQUACY = "adequacy"
"""Key of `Adequacy.as_dict` among the facts of an export."""

SPLIT_TITLES: Mapping[Split, str] = {"train": "training", "val": "validation", "test": "the test split"}


@dataclass(frozen=True)
class DataFinding:
    """One finding about the splits.

    Attributes:
        check: short name, the same for all data (`few images`).
        message: a sentence with the numbers and what to change.
        severe: whether a figure is not what its name says, rather than merely uncertain.
    """

    check: str
    message: str
    severe: bool = False

    @property
    def verdict(self) -> Literal["careful", "bad"]:
        """The word with which people are told."""
        return "bad" if self.severe else "careful"


@dataclass(frozen=True)
class Adequacy:
    """Assessment of the splits of a training.

    Attributes:
        lines: what each split holds, by its name.
        findings: where a figure will rest on too little.
        facts: descriptions of the splits (`DataSplit.describe`), by name.
    """

    lines: Mapping[str, str]
    findings: tuple[DataFinding, ...] = ()
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        splits: Mapping[Split, SomeSplit],
        describe: Callable[[Split, SomeSplit], str],
        check: Callable[[Split, SomeSplit, SomeSplit], Iterable[DataFinding]],
    ) -> Self:
        """Assess some splits, training among them.

        Args:
            splits: by name.
            describe: writes the line of a split.
            check: finds where the metrics of a split other than training, its second argument, rest on too little; its
                third argument is the training split.
        """
        train = splits["train"]
        return cls(
            {name: describe(name, split) for name, split in splits.items()},
            tuple(item for name, split in splits.items() if name != "train" for item in check(name, split, train)),
            {name: split.describe() for name, split in splits.items()},
        )

    def as_facts(self) -> dict[str, Any]:
        """Return the part of an export's facts; descriptions of splits stand there anyway."""
        return {ADEQUACY: {**self.as_dict(), "facts": {}}}

    def report(self) -> list[str]:
        """Write the lines and the findings as a terminal shows them."""
        lines = [f"  {split:<6} {line}" for split, line in self.lines.items()]
        return lines + [f"  {item.verdict}: {item.message}" for item in self.findings]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` reads them back."""
        return {
            "lines": dict(self.lines),
            "findings": [asdict(item) for item in self.findings],
            "facts": {split: dict(values) for split, values in self.facts.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Adequacy:
        """Read what `as_dict` wrote.

        Raises:
            KeyError, TypeError: it is something else.
        """
        findings = tuple(DataFinding(item["check"], item["message"], item["severe"]) for item in values["findings"])
        return cls(dict(values["lines"]), findings, dict(values["facts"]))

    def write(self, folder: Path) -> None:
        """Write `splits.json` into a run's folder."""
        replace_text(folder / SPLITS, json.dumps(self.as_dict(), indent=2, ensure_ascii=False))

    @classmethod
    def read(cls, folder: Path) -> Adequacy | None:
        """Read `splits.json` of a run's folder; None where there is none.

        Raises:
            ValueError: it is damaged.
        """
        try:
            return cls.from_dict(json.loads((folder / SPLITS).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError) as error:
            raise ValueError(f"{SPLITS} lacks what it should hold") from error


@dataclass(frozen=True)
class Unit:
    """A thing that is counted, in the singular and the plural."""

    one: str
    many: str

    def count(self, number: int) -> str:
        """Write a number of them: `1 image`, `3 images`."""
        return f"{number:,} {self.one if number == 1 else self.many}"


IMAGES = Unit("image", "images")


def list_counts(classes: Sequence[str], counts: Sequence[int] | np.ndarray) -> str:
    """List the classes with their counts; of many classes only the scarcest, and how many there are."""
    pairs = list(zip(classes, np.asarray(counts).tolist(), strict=True))
    if len(pairs) <= LISTED_CLASSES:
        return ", ".join(f"{name} {count}" for name, count in pairs)
    scarcest = sorted(pairs, key=lambda pair: pair[1])[:LISTED_CLASSES]
    return f"{', '.join(f'{name} {count}' for name, count in scarcest)}, and {len(pairs) - LISTED_CLASSES} with more"


def format_range(counts: Sequence[int] | np.ndarray) -> str:
    """Write the least and the greatest of some counts: `3 to 12`, or `15` where all are the same."""
    low, high = int(np.min(counts)), int(np.max(counts))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


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
    least = intervals.least_count(MAX_DEVIATIONS)
    if count >= least:
        return
    if count == 1:
        message = f"{metrics} all rest on a single {unit.one}, so that nothing tells how much they vary"
    else:
        width = intervals.mean_half_width(count)
        message = (
            f"{metrics} rest on {unit.count(count)}: the 95 % interval of a mean over them is ±{width:.2g} times the "
            f"deviation between them; with {least} it would be ±{MAX_DEVIATIONS:g}"
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
    unit: Unit, train: Iterable[str], other: Iterable[str], split: Split, remedy: str
) -> Iterable[DataFinding]:
    """Check that no group, such as a patient or a folder, is in training as well as in another split."""
    groups = set(other)
    if shared := sorted(set(train) & groups):
        yield DataFinding(
            f"shared {unit.many}",
            f"{len(shared)} of {unit.count(len(groups))} of {SPLIT_TITLES[split]} are in training as well "
            f"({abbreviate(shared)}), so its figures say little about new ones; {remedy}.",
        )
