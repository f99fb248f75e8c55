"""Folds of cross-validation in a comparison: runs that differ in the fold alone, and the interval over folds.

The results of K folds are not independent, because every two of them share most of their training images; an interval
that takes them as independent is too narrow. Its variance is corrected by the ratio of validated to trained images.

Source: Nadeau and Bengio 2003, Inference for the generalization error (the corrected resampled t-test, with the factor
1/J + n₂/n₁); Bouckaert and Frank 2004 apply it to cross-validation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.frames.experiment import Experiment
from analysis.proof.statistics import Gain, Interval
from trainables.measuring.ranges import UNBOUNDED, MetricRange


def find_fold(run: Experiment) -> int | None:
    """Return the fold on which a run was searched; None where its data have none."""
    names = type(run.space.data).FOLDS
    return None if names is None or run.space.data.source == "synthetic" else int(getattr(run.space.data, names[0]))


def find_overlap(run: Experiment) -> float:
    """Return the ratio of validated to trained images: of K folds one is validated, and one is the test split."""
    names = type(run.space.data).FOLDS
    return 1 / (int(getattr(run.space.data, names[1])) - 2) if names else 0.0


def describe_data(run: Experiment) -> dict[str, Any]:
    """Return the settings that say which data a run has, without its fold and the cache."""
    names = type(run.space.data).FOLDS or ()
    return {key: value for key, value in run.space.data.as_dict().items() if key not in ("cache", *names[:1])}


def search_settings(run: Experiment) -> dict[str, Any]:
    """Return the space of a run without the fold of its data: equal in runs that differ in the fold alone."""
    fold = (type(run.space.data).FOLDS or ())[:1] if find_fold(run) is not None else ()
    data = {key: value for key, value in (run.space.source.get("data") or {}).items() if key not in fold}
    return {**run.space.source, "data": data}


def fold_interval(
    values: Mapping[int, float], overlap: float, bounds: MetricRange = UNBOUNDED, confidence: float = 0.95
) -> Interval:
    """Return the mean over folds with the corrected interval; its bounds are NaN below two folds.

    Args:
        values: by fold.
        overlap: ratio of validated to trained images.
        bounds: the range of the metric.
    """
    from scipy import stats  # noqa: PLC0415  (its import takes a second)

    mean, count = float(np.mean(list(values.values()))), len(values)
    if count < 2:
        return Interval(mean, math.nan, math.nan, confidence)
    error = np.std(list(values.values()), ddof=1) * math.sqrt(1 / count + overlap)
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1) * error)
    return Interval(mean, max(mean - half, bounds.low), min(mean + half, bounds.high), confidence)


def fold_gain(first: Mapping[int, float], second: Mapping[int, float], overlap: float, width: float) -> Gain:
    """Return the gain of the first over the second, paired by the folds that both have; larger is better."""
    differences = {fold: first[fold] - second[fold] for fold in sorted(set(first) & set(second))}
    interval = fold_interval(differences, overlap, MetricRange(-width, width))
    return Gain(interval.value, interval.low, interval.high, interval.confidence)
