"""The keys of the curves' reports."""

from __future__ import annotations

from benchmarks.curves.config import Config


def keys(config: Config) -> tuple[str, ...]:
    """Return the keys of the reports of a training."""
    return "health/excess", "raw/square", "val/cost", "val/score"
