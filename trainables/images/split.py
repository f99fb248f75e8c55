"""One split of a data set, whatever its source: the base of every variant's own class, and how often it is loaded.

Imports no torch: data are prepared before all else starts.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, Self, TypeVar

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

    def __len__(self) -> int:
        return len(self.names)

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


Split = TypeVar("Split", bound=CalibrationSplit)


def calibration_part(split: Split) -> Split:
    """Return the examples that choose thresholds and are not scored."""
    part: Split = split.select(split.calibration)
    return part


def scored_part(split: Split) -> Split:
    """Return the examples that are scored and choose no threshold."""
    part: Split = split.select(~split.calibration)
    return part


def choose_calibration(
    groups: Sequence[str],
    share: float,
    seed: int,
    positive: np.ndarray,
    *,
    words: tuple[str, str],
    remedies: tuple[str, str],
) -> np.ndarray:
    """Choose the examples of validation that choose thresholds: about `share` of the groups, each of them whole.

    Args:
        groups: `[N]`, the group of each example; its name where it is alone.
        share: of the groups, above 0 and below 1.
        seed: of the choice.
        positive: bool `[N]`, examples with something to find; either part needs one.
        words: what an example is and what it has to have (`micrograph`, `a particle`).
        remedies: what to do about a single example, and about a part without anything to find.

    Returns:
        bool `[N]`.

    Raises:
        UsageError: a single example, or a part with nothing to find.
    """
    unit, content = words
    if len(groups) < 2:
        raise UsageError(
            f"validation has a single {unit}, but needs one to choose thresholds on and one to judge: {remedies[0]}."
        )
    calibration = split_by_group(groups, share, seed)
    for part, name in ((calibration, "calibration"), (~calibration, "scored")):
        if not positive[part].any():
            raise UsageError(f"none of the {part.sum()} {name} {unit}s of validation has {content}: {remedies[1]}.")
    return calibration


def cache_splits(*names: str, maxsize: int = 8) -> Callable[[Loader], Loader]:
    """Decorate a loader `(config, data, split)` so that a process loads the same split once.

    Args:
        names: the config's fields that decide the examples; configs that differ elsewhere share a split.
        maxsize: splits that are held; beyond, the least recently used one is dropped.
    """

    def decorate(load: Loader) -> Loader:
        splits: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

        @functools.wraps(load)
        def load_once(config: Any, data: Any, split: Any) -> Any:
            key = (*(getattr(config, name) for name in names), data, split)
            if key not in splits:
                splits[key] = load(config, data, split)
                while len(splits) > maxsize:
                    splits.popitem(last=False)
            splits.move_to_end(key)
            return splits[key]

        load_once.cache_clear = splits.clear  # type: ignore[attr-defined]
        return load_once  # type: ignore[return-value]

    return decorate


def _take(values: Any, indices: np.ndarray) -> Any:
    if values is None:
        return None
    return [values[index] for index in indices] if isinstance(values, list) else values[indices]
