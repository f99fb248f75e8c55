"""Width of confidence intervals that can be told before anything is trained, from the number of examples alone.

All have a level of 95 % and are half-widths: the interval reaches as far below the estimate as above it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

_LEVEL = 0.95
_NORMAL = float(stats.norm.ppf(0.5 + _LEVEL / 2))


def auroc_error(positives: int, negatives: int, auroc: float) -> float:
    """Compute the standard error of an AUROC that is estimated from so many independent examples, each 1 or more.

    Source: Hanley and McNeil 1982, The meaning and use of the area under a ROC curve, equation 1 with the
    exponential model's Q1 and Q2.
    """
    both_positives = auroc / (2 - auroc)
    both_negatives = 2 * auroc**2 / (1 + auroc)
    variance = auroc * (1 - auroc)
    variance += (positives - 1) * (both_positives - auroc**2) + (negatives - 1) * (both_negatives - auroc**2)
    return float(np.sqrt(variance / (positives * negatives)))


def macro_auroc_half_width(positives: Sequence[int], negatives: Sequence[int], auroc: float) -> float:
    """Compute the half-width of a mean of the AUROCs of classes, as if classes were independent of each other.

    Args:
        positives: of each class, 1 or more.
        negatives: likewise.
        auroc: that all classes have.
    """
    errors = [auroc_error(*counts, auroc) for counts in zip(positives, negatives, strict=True)]
    return _NORMAL * float(np.sqrt(np.square(errors).sum())) / len(errors)


def macro_recall_half_width(counts: Sequence[int], recall: float) -> float:
    """Compute the half-width of a mean of the recalls of classes (balanced accuracy), by the binomial's variance.

    Args:
        counts: examples of each class, 1 or more.
        recall: that all classes have.
    """
    variances = recall * (1 - recall) / np.asarray(counts, dtype=float)
    return _NORMAL * float(np.sqrt(variances.sum())) / len(counts)


def mean_half_width(count: int) -> float:
    """Compute the half-width of a mean of so many values, in their standard deviations; infinite for one value.

    Source: Student 1908, The probable error of a mean.
    """
    return float(stats.t.ppf(0.5 + _LEVEL / 2, count - 1) / np.sqrt(count)) if count > 1 else float("inf")


def least_count(half_width: float) -> int:
    """Return the least number of values whose mean has at most that half-width, in standard deviations above 0."""
    count = 2
    while mean_half_width(count) > half_width:
        count += 1
    return count
