"""Which settings mattered in a run: two estimators with intervals.

    forest      how much worse a forest predicts held-out trials without the setting: what moves the objective at all
    pedanova    how far the best trials' settings differ from all trials': what distinguishes the best trials

Both are shares of the effect of all settings, and say nothing of the variance that no setting explains. Trials that
diverged or collapsed would dominate the variance: values worse than the first quartile by more than 1.5 interquartile
ranges are clipped to that bound. The intervals are 5th to 95th percentiles over bootstrap samples of the trials, with
everything refitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.importance.design import Design, build_design
from analysis.importance.forest import permutation_importances
from analysis.importance.pedanova import divergences
from analysis.wording import inflect

MIN_TRIALS = 30
"""Trials at a common rung, or with a conditional setting for PED-ANOVA, below which an importance would be noise."""

MIN_FOREST_TRIALS = 10
"""Trials with a conditional setting below which permuting its values among them is no test."""

MIN_EXPLAINED_VARIANCE = 0.1
"""Share of held-out variance below which a forest's surface is not drawn: on pure noise the estimate is below 0
but scatters by some hundredths, and a map of so little would be read as an effect."""

MAX_TRIALS = 600
"""Trials in an estimate; of more, a random sample."""

REPLICATES = 40
"""Bootstrap samples; two of them lie beyond either end of an interval."""


@dataclass(frozen=True)
class Importances:
    """How much each setting mattered, at one rung.

    Attributes:
        rung: the epoch at which the trials are compared; trials: how many of them were used.
        table: indexed by setting, the most important first: `forest`, `forest_low`, `forest_high`, `pedanova`,
            `pedanova_low`, `pedanova_high`; shares in [0, 1], NaN where an estimator cannot tell.
        explained_variance: the share of the objective's variance over held-out trials that the forest explains; if it
            is not above 0, the forest cannot tell of any setting.
    """

    rung: int
    trials: int
    table: pd.DataFrame
    explained_variance: float


def estimate_importances(experiment: Experiment, seed: int = 0) -> Importances | None:
    """Estimate the importances at the highest rung that enough trials have reached; None if none has."""
    rung = experiment.common_rung(MIN_TRIALS) if experiment.ranking else None
    if rung is None:
        return None
    design = build_design(experiment, rung, MAX_TRIALS, seed)
    if len(design.y) < MIN_TRIALS or not design.names or np.ptp(design.y) == 0:
        return None
    increases, explained_variance = permutation_importances(design, REPLICATES, seed)
    has_forest = (_count_trials(design) >= MIN_FOREST_TRIALS) & (explained_variance > 0)
    forest = _shares(increases, has_forest)
    pedanova = _shares(divergences(experiment, design, REPLICATES, seed), _count_trials(design) >= MIN_TRIALS)
    columns = {
        f"{name}{end}": part[end]
        for name, part in (("forest", forest), ("pedanova", pedanova))
        for end in INTERVAL_SUFFIXES
    }
    table = pd.DataFrame(columns, index=pd.Index(design.names, name="setting"))
    order = table[["forest", "pedanova"]].mean(axis=1).sort_values(ascending=False, kind="stable", na_position="last")
    return Importances(rung, len(design.y), table.loc[order.index], explained_variance)


def explain_missing_importances(experiment: Experiment, seed: int = 0) -> str:
    """Explain in a sentence why `estimate_importances` returns None."""
    rung = experiment.common_rung(MIN_TRIALS) if experiment.ranking else None
    if rung is None:
        count = max(len(experiment.values_at(rung)) for rung in experiment.space.budget.rungs)
        return f"Importances need {MIN_TRIALS} trials at a common rung; there {inflect(count, 'is', 'are')} {count}."
    design = build_design(experiment, rung, MAX_TRIALS, seed)
    if not design.names:
        return "Nothing was searched, so no setting can have mattered."
    if len(design.y) < MIN_TRIALS:
        are = inflect(len(design.y), "is", "are")
        return (
            f"Importances need {MIN_TRIALS} trials with a value at epoch {rung} and known settings; there {are} "
            f"{len(design.y)} of {len(experiment.values_at(rung))}."
        )
    return f"All {len(design.y)} trials have the same value at epoch {rung}, so no setting can have mattered."


INTERVAL_SUFFIXES = ("", "_low", "_high")


def _count_trials(design: Design) -> np.ndarray:
    """Count the trials to which each setting applies; 0 where all of them have the same value."""
    counts = design.active.sum(axis=0)
    is_constant = [len(np.unique(design.x[active, column])) < 2 for column, active in enumerate(design.active.T)]
    return np.where(is_constant, 0, counts)


def _shares(raw: np.ndarray, has_estimate: np.ndarray) -> dict[str, np.ndarray]:
    """Average the replicates as shares, with percentiles; values below 0 are chance and count as 0."""
    positive = np.where(has_estimate, np.maximum(raw, 0.0), 0.0)
    replicate_shares = positive / np.maximum(positive.sum(axis=1, keepdims=True), 1e-300)
    mean = np.where(has_estimate, np.maximum(raw.mean(axis=0), 0.0), 0.0)
    mean = mean / max(mean.sum(), 1e-300)
    low, high = np.percentile(replicate_shares, [5, 95], axis=0)
    ends = {"": mean, "_low": np.minimum(low, mean), "_high": np.maximum(high, mean)}
    return {end: np.where(has_estimate, values, np.nan) for end, values in ends.items()}
