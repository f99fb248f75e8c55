"""The report that stands for each trial, selected from the table of all reports, and the table of trials that it makes.

The vectorised form of what `Objective.standing_report` and `trainables.standing` define, for thousands of trials.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from trainables.files import RESULT, trial_folder
from trainables.objective import (
    COMPARABLE_END,
    FEASIBLE,
    STAGE,
    STAGE_NAME,
    STAGES_LEFT,
    VALUE,
    VIOLATION,
    Objective,
)
from trainables.standing import stage_name

SECONDS = "time/total_s"


def add_objective(reports: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    """Add the missing columns of the objective, computed as `Objective.score` does, and of seconds, as NaN.

    A report whose metrics do not suffice has NaN for `objective/feasible`.
    """
    metrics = [*(goal.metric for goal in objective.goals), *objective.constraints]
    missing = [name for name in (VALUE, VIOLATION, FEASIBLE, SECONDS, *metrics) if name not in reports]
    reports = reports.assign(**dict.fromkeys(missing, np.nan))
    if reports[[VALUE, VIOLATION, FEASIBLE]].notna().all(axis=None):
        return reports
    excess = pd.Series(0.0, index=reports.index)
    for metric, bound in objective.constraints.items():
        share = (reports[metric] - bound) / max(abs(bound), 1e-12)
        excess += share.mask(share <= 0, 0.0)  # NaN, of an unknown metric, stays NaN
    violation = reports[VIOLATION].fillna(excess)
    feasible = (violation == 0).astype(float).where(violation.notna())
    value = reports[VALUE].fillna(reports[objective.first.metric])
    return reports.assign(**{VALUE: value, VIOLATION: violation, FEASIBLE: reports[FEASIBLE].fillna(feasible)})


def add_stages_left(reports: pd.DataFrame, epochs: int) -> pd.DataFrame:
    """Add how many stages come after that of each report, as `standing.stages_left` does.

    Args:
        reports: of trials with a full budget of so many epochs.
    """
    ends = reports[COMPARABLE_END] if COMPARABLE_END in reports else pd.Series(np.nan, index=reports.index)
    left = reports[STAGES_LEFT] if STAGES_LEFT in reports else pd.Series(np.nan, index=reports.index)
    return reports.assign(**{STAGES_LEFT: left.fillna((ends < epochs).astype(float))})


def standing_reports(reports: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    """Select the report that stands for each trial, by trial, as `Objective.standing_report` does.

    Args:
        reports: with the columns that `add_objective` adds, sorted by trial and epoch.
    """
    if not objective.is_multi:
        return _best_reports(reports, objective)
    last = reports.drop_duplicates("trial", keep="last").set_index("trial")
    return last.dropna(subset=[VALUE, FEASIBLE, *(goal.metric for goal in objective.goals)])


def summarise_trials(trials: pd.DataFrame, reports: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    """Add to the records of trials how long they trained, their last stage, and the report that stands for them."""
    metrics = objective.metrics
    records = trials[["status", "cause", "reason", "origin", "seed", "started", "ended"]]
    if reports.empty:
        columns = ["seconds", "best_epoch", "value", "feasible", "violation", "stages_left", "stage", *metrics]
        return records.assign(epochs=0, **dict.fromkeys(columns, np.nan))
    starts = _trial_starts(reports)
    ends = np.append(starts[1:], len(reports))
    last = reports.iloc[ends - 1]
    effort = pd.DataFrame(
        {
            "epochs": ends - starts,
            "seconds": last[SECONDS].to_numpy(),
            "stage": _stage_names(last),
            "stages_left": last[STAGES_LEFT].to_numpy(),
        },
        index=pd.Index(last["trial"].to_numpy(), name="trial"),
    )
    names = {"epoch": "best_epoch", VALUE: "value", VIOLATION: "violation", FEASIBLE: "feasible"}
    best = standing_reports(reports, objective).rename(columns=names)[[*dict.fromkeys([*names.values(), *metrics])]]
    summary = records.join(effort).join(best)
    summary.loc[summary["status"] == "failed", best.columns] = np.nan
    return summary.assign(epochs=summary["epochs"].fillna(0).astype(int))


def list_incomparable(summary: pd.DataFrame, reports: pd.DataFrame, objective: Objective) -> list[str]:
    """List, as sentences, the trials whose reports lack what the objective compares."""
    trials = summary.index[(summary["status"] != "failed") & (summary["epochs"] > 0) & summary["value"].isna()]
    metrics = [*dict.fromkeys([objective.first.metric, *objective.constraints])]
    counts_by_trial = reports[reports["trial"].isin(trials)].groupby("trial")[metrics].count()
    sentences = []
    for trial, counts in zip(counts_by_trial.index, counts_by_trial.to_numpy(), strict=True):
        missing = [name for name, count in zip(metrics, counts, strict=True) if not count]
        names = " or ".join(missing) or f"{' and '.join(metrics)} of one epoch"
        file = trial_folder(Path(), trial) / RESULT
        sentences.append(f"{file} has no number for {names}: that trial has no best epoch and is not compared.")
    return sentences


def _best_reports(reports: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    """Select each trial's best report, by trial: last stage, least violation, best value, first epoch.

    A report without a value, or with unknown feasibility, does not count; a violation of NaN is the greatest.
    """
    starts = _trial_starts(reports)
    lengths = np.diff(np.append(starts, len(reports)))
    # Each criterion narrows the rows left by the one before; `reduceat` gives an extreme per trial without a groupby.
    valid = (reports[VALUE].notna() & reports[FEASIBLE].notna()).to_numpy()
    if STAGE in reports:
        stage = reports[STAGE].fillna(0).to_numpy()
        valid = valid & (stage == np.repeat(np.maximum.reduceat(stage, starts), lengths))
    violation = np.where(valid, reports[VIOLATION].fillna(np.inf), np.inf)
    least_violation = valid & (violation == np.repeat(np.minimum.reduceat(violation, starts), lengths))
    value = np.where(least_violation, reports[VALUE] * objective.first.sign, -np.inf)
    best = least_violation & (value == np.repeat(np.maximum.reduceat(value, starts), lengths))
    return reports[best].drop_duplicates("trial").set_index("trial")


def _stage_names(reports: pd.DataFrame) -> list[str]:
    """Name the stage of each report."""
    columns = [reports[key] for key in (STAGE_NAME, STAGE) if key in reports]
    keys = [str(column.name) for column in columns]
    if not columns:
        return [stage_name({})] * len(reports)
    return [stage_name(dict(zip(keys, row, strict=True))) for row in zip(*columns, strict=True)]


def _trial_starts(reports: pd.DataFrame) -> np.ndarray:
    """Return the index of each trial's first report; the reports are sorted by trial and epoch."""
    return np.flatnonzero(np.diff(reports["trial"].to_numpy(), prepend=-1))
