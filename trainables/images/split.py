"""One split of a data set, whatever its source: the base of every variant's own class, and how often it is loaded.

Imports no torch: data are prepared before all else starts.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from trainables.images.squares import split_by_group
from trainables.settings import UsageError

Loader = TypeVar("Loader", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False, kw_only=True)
class DataSplit:
    """Examples of one split. Its arrays are read-only, because all trials of a process share them.

    Attributes:
        names: N names, of which no two splits share one.
        bad: name and reason of every example that was left out because its file cannot be read.
    """

    PER_EXAMPLE_FIELDS: ClassVar[tuple[str, ...]] = ("names",)
    """Fields that hold something of each example: arrays, lists or None."""

    names: list[str]
    bad: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            for array in value if isinstance(value, list) else [value]:
                if isinstance(array, np.ndarray):
                    array.setflags(write=False)
        for name in self.PER_EXAMPLE_FIELDS:
            value = getattr(self, name)
            if value is not None and len(value) != len(self):
                raise ValueError(f"{len(value)} {name} of {len(self)} examples")

    def __len__(self) -> int:
        return len(self.names)

    def describe(self) -> dict[str, Any]:
        """Describe the split for cards and the record: its size, and the number of examples that were left out."""
        return {"examples": len(self), "left_out": len(self.bad)}

    def select(self, selection: np.ndarray) -> Self:
        """Select examples: bool `[N]`, or increasing indices. What they have in common stays shared."""
        indices = np.flatnonzero(selection) if selection.dtype == bool else selection
        return replace(self, **{name: _take(getattr(self, name), indices) for name in self.PER_EXAMPLE_FIELDS})


class CalibrationSplit(Protocol):
    """A split of which some examples choose thresholds and scalings, and the others are scored."""

    @property
    def calibration(self) -> np.ndarray:
        """bool `[N]`: the examples that choose; all false but in validation."""

    def select(self, selection: np.ndarray) -> Any:
        """Select examples, as `DataSplit` does."""


AnySplit = TypeVar("AnySplit", bound=CalibrationSplit)


def calibration_part(split: AnySplit) -> AnySplit:
    """Return the examples that choose thresholds and are not scored."""
    part: AnySplit = split.select(split.calibration)
    return part


def scored_part(split: AnySplit) -> AnySplit:
    """Return the examples that are scored and choose no threshold."""
    part: AnySplit = split.select(~split.calibration)
    return part


class CalibrationWords(NamedTuple):
    """Words of the refusals of `choose_calibration`.

    Attributes:
        unit, units: what an example is (`micrograph`, `micrographs`).
        content: what an example has that there is to find (`a particle`).
        single: what to do about a single example.
        empty: what to do about a part without anything to find.
    """

    unit: str
    units: str
    content: str
    single: str
    empty: str


def choose_calibration(
    groups: Sequence[str], share: float, seed: int, positive: np.ndarray, words: CalibrationWords
) -> np.ndarray:
    """Choose the examples of validation that choose thresholds: about `share` of the groups, each of them whole.

    Args:
        groups: `[N]`, the group of each example; its name where it is alone.
        share: of the groups, above 0 and below 1.
        seed: of the choice.
        positive: bool `[N]`, examples with something to find; either part needs one.
        words: of the refusals.

    Returns:
        bool `[N]`.

    Raises:
        UsageError: a single example, or a part with nothing to find.
    """
    if len(groups) < 2:
        raise UsageError(
            f"validation has a single {words.unit}, but needs one to choose thresholds on and one to judge: "
            f"{words.single}."
        )
    calibration = split_by_group(groups, share, seed)
    for part, name in ((calibration, "calibration"), (~calibration, "scored")):
        if not positive[part].any():
            raise UsageError(
                f"none of the {part.sum()} {name} {words.units} of validation has {words.content}: {words.empty}."
            )
    return calibration


def cache_splits(*names: str, maxsize: int = 8) -> Callable[[Loader], Loader]:
    """Decorate a loader `(config, data, split)` so that a process loads the same split once.

    The loader gets these fields in place of the config: it cannot read another one, on which the cache does not depend.

    Args:
        names: the config's fields that decide the examples; configs that differ elsewhere share a split.
        maxsize: splits that are held; beyond, the least recently used one is dropped.
    """
    fields = namedtuple("fields", names)  # type: ignore[misc]  # the names are the caller's

    def decorate(load: Loader) -> Loader:
        load_once = functools.lru_cache(maxsize)(load)

        @functools.wraps(load)
        def load_split(config: Any, data: Any, split: Any) -> Any:
            return load_once(fields(*(getattr(config, name) for name in names)), data, split)

        load_split.cache_clear = load_once.cache_clear  # type: ignore[attr-defined]
        return load_split  # type: ignore[return-value]

    return decorate


def _take(values: Any, indices: np.ndarray) -> Any:
    if values is None:
        return None
    return [values[index] for index in indices] if isinstance(values, list) else values[indices]
