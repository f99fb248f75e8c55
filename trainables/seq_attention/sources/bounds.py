"""Which images are taken: those with as many objects as `data.min_objects` and `data.max_objects` allow."""

from __future__ import annotations

import numpy as np

from trainables.contract import Split
from trainables.seq_attention.config import Data
from trainables.settings import UsageError


def is_within_bounds(counts: np.ndarray, data: Data) -> np.ndarray:
    """Tell which images have neither too few objects nor too many, bool `[N]` of their counts `[N]`."""
    return (counts >= data.min_objects) & (counts <= data.max_objects)


def select_by_count(counts: np.ndarray, data: Data, split: Split) -> np.ndarray:
    """Select the images of a split by their counts of objects `[N]`: bool `[N]`, true for one at least.

    Raises:
        UsageError: no image is within the bounds.
    """
    mask = is_within_bounds(counts, data)
    if not mask.any():
        span = f"; they have {counts.min()} to {counts.max()}" if len(counts) else ""
        raise UsageError(
            f"none of the {len(counts)} {split} images has data.min_objects={data.min_objects} to "
            f"data.max_objects={data.max_objects} objects{span}: change these bounds."
        )
    return mask
