"""Metrics of random predictions, averaged over draws of a fixed generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

DRAWS = 20
_SEED = 0


def average_draws(draw: Callable[[np.random.Generator], dict[str, float]], count: int = DRAWS) -> dict[str, float]:
    """Average the metrics of several draws, which share one generator; the same call gives the same numbers."""
    generator = np.random.default_rng(_SEED)
    rows = [draw(generator) for _ in range(count)]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
