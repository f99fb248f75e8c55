"""There are no data to prepare."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.curves.config import Config, Data
from trainables.contract import Split


def prepare(config: Config, data: Data, splits: Sequence[Split]) -> None:
    """Do nothing."""
