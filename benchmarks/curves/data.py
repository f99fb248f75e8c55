"""There are no data to prepare."""

from __future__ import annotations

from benchmarks.curves.config import Config, Data


def prepare(config: Config, data: Data) -> None:
    """Nothing to do."""
