"""Counts of examples, groups and classes as they stand in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trainables.contract import Split

LISTED_CLASSES = 8

SPLIT_TITLES: Mapping[Split, str] = {"train": "training", "val": "validation", "test": "the test split"}


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
