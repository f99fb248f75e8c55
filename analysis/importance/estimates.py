"""Which settings mattered in a run: two estimators with intervals.

    forest      how much worse a forest predicts held-out trials without the setting: what moves the objective at all
    pedanova    how far the best trials' settings differ from all trials': what gets a trial among the best

Both are shares of what all settings do, and say nothing of what none of them explains. Trials that diverged or
collapsed would be nearly all of a variance: values worse than the first quartile by more than 1.5 interquartile
ranges are held there. The intervals are 5th to 95th percentiles over bootstrap samples of the trials, with everything
refitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.importance.design import Design, design
from analysis.importance.forest import permutation_importances
from analysis.importance.pedanova import divergences

NEEDED = 30
"""Trials at a common rung, or with a conditional setting for PED-ANOVA, below which an importance would be noise."""

FOREST_NEEDED = 10
"""Trials with a conditional setting below which dealing out its values among them is no test."""

EXPLAINED = 0.1
"""Share of held-out variance below which a forest's surface is not shown: on pure noise the estimate comes out below 0,
but scatters by some hundredths, and a map drawn from so little would be read as an effect."""

MOST = 600
"""Trials that are looked at; of more, so many by chance."""

REPLICATES = 40
"""Bootstrap samples: two of them lie beyond either end of an interval."""


@dataclass(frozen=True)
class Importances:
    """How much each setting mattered, at one rung.

    Attributes:
        rung: the epoch at which the trials are compared; trials: how many of them were looked at.
        table: indexed by setting, the most important first: `forest`, `forest_low`, `forest_high`, `pedanova`,
            `pedanova_low`, `pedanova_high`; shares in [0, 1], NaN where an estimator cannot tell.
        explained: the share of the objective's variance over held-out trials that the forest explains; if it is not
            above 0, the forest cannot tell of any setting.
    """

    rung: int
    trials: int
    table: pd.DataFrame
    explained: float


def importances(experiment: Experiment, seed: int = 0) -> Importances | None:
    """The importances at the highest rung that enough trials have reached; None if none has."""
    rung = experiment.common_rung(NEEDED) if experiment.ranked else None
    if rung is None:
        return None
    made = design(experiment, rung, MOST, seed)
    if len(made.y) < NEEDED or not made.names or np.ptp(made.y) == 0:
        return None
    increases, explained = permutation_importances(made, REPLICATES, seed)
    told = (_varied(made) >= FOREST_NEEDED) & (explained > 0)
    forest = _shares(increases, told)
    pedanova = _shares(divergences(experiment, made, REPLICATES, seed), _varied(made) >= NEEDED)
    columns = {f"{name}{end}": part[end] for name, part in (("forest", forest), ("pedanova", pedanova)) for end in ENDS}
    table = pd.DataFrame(columns, index=pd.Index(made.names, name="setting"))
    order = table[["forest", "pedanova"]].mean(axis=1).sort_values(ascending=False, kind="stable", na_position="last")
    return Importances(rung, len(made.y), table.loc[order.index], explained)


def why_none(experiment: Experiment, seed: int = 0) -> str:
    """Why `importances` has none, as a sentence."""
    rung = experiment.common_rung(NEEDED) if experiment.ranked else None
    if rung is None:
        most = max(len(experiment.at(each)) for each in experiment.space.budget.rungs)
        return f"Importances need {NEEDED} trials at a common rung; there are {most}."
    made = design(experiment, rung, MOST, seed)
    if not made.names:
        return "Nothing was searched, so no setting can have mattered."
    if len(made.y) < NEEDED:
        return (
            f"Importances need {NEEDED} trials with a value at epoch {rung} and settings that are known; there are "
            f"{len(made.y)} of {len(experiment.at(rung))}."
        )
    return f"All {len(made.y)} trials have the same value at epoch {rung}, so no setting can have mattered."


ENDS = ("", "_low", "_high")


def _varied(made: Design) -> np.ndarray:
    """To how many trials each setting applies; 0 where all of them have the same value."""
    counts = made.active.sum(axis=0)
    same = [len(np.unique(made.x[active, column])) < 2 for column, active in enumerate(made.active.T)]
    return np.where(same, 0, counts)


def _shares(raw: np.ndarray, told: np.ndarray) -> dict[str, np.ndarray]:
    """Means and percentiles over the replicates as shares; what is below 0 is chance and counts as 0."""
    kept = np.where(told, np.maximum(raw, 0.0), 0.0)
    each = kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-300)
    mean = np.where(told, np.maximum(raw.mean(axis=0), 0.0), 0.0)
    mean = mean / max(mean.sum(), 1e-300)
    low, high = np.percentile(each, [5, 95], axis=0)
    ends = {"": mean, "_low": np.minimum(low, mean), "_high": np.maximum(high, mean)}
    return {end: np.where(told, values, np.nan) for end, values in ends.items()}
