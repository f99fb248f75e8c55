"""The ranges of metrics, by the words of their names: the one place that says what a value can be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class MetricRange(NamedTuple):
    """The least and the largest value that a metric can have; infinite where it has no bound."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """The largest difference of two values."""
        return self.high - self.low


UNBOUNDED = MetricRange(-math.inf, math.inf)
SHARE, CORRELATION, SIZE = MetricRange(0, 1), MetricRange(-1, 1), MetricRange(0, math.inf)

RANGES = {
    **dict.fromkeys(("gap", "bias", "gain", "likelihood", "information"), UNBOUNDED),
    "cc": CORRELATION,
    **dict.fromkeys(("error", "rmse", "nll", "kl", "loss", "px", "seconds"), SIZE),
    **dict.fromkeys(("auroc", "auc", "ap", "f1", "accuracy", "precision", "recall", "iou", "dice", "iobb"), SHARE),
    **dict.fromkeys(("sim", "brier", "ece", "share", "coverage", "prevalence", "hit", "duplicates"), SHARE),
}
"""Range by word of a metric's name. Of several words the first in this list counts: `pixel_error_px` is an error, and
`order_gap` a difference."""


def metric_range(metric: str, values: Iterable[float] = ()) -> MetricRange:
    """Return the range of a metric, by its name and by what it has been.

    Args:
        metric: the key of a report, such as `val/particle_ap`.
        values: of the metric; one outside shows that the name means something else, such as an accuracy in percent.
    """
    words = set(metric.rpartition("/")[2].split("_"))
    bounds = next((RANGES[word] for word in RANGES if word in words), UNBOUNDED)
    return bounds if all(bounds.low <= value <= bounds.high for value in values) else UNBOUNDED
