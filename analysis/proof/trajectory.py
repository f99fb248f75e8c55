"""The best value so far of a run by what it has cost, in seconds of training or in epochs."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from trainables.objective import STAGES_LEFT, VALUE, VIOLATION

Cost = Literal["seconds", "epochs"]


def trajectory(run: Experiment, cost: Cost) -> pd.Series:
    """Return the best value so far, indexed by the cost until then, over all trials in the order of their reports.

    Values count that can stand for a trial: of the stage in which the run's trials are compared; with several goals of
    a trial's last report. So the last value is that of the run's best trial. Values of failed trials, of earlier stages
    and of reports that violate a constraint do not count; their cost does.
    """
    if run.reports.empty:
        return pd.Series(dtype=float)
    reports = run.reports.assign(cost=_report_costs(run.reports, cost))
    start_times = reports["trial"].map(run.trials["started"].astype(float)).to_numpy()
    order = np.argsort(start_times + reports["time/total_s"].to_numpy(), kind="stable")
    reports = reports.iloc[order]
    valid = (reports[VIOLATION] <= 0) & reports["trial"].isin(run.ranking)
    valid &= reports[STAGES_LEFT] == run.trials["stages_left"].reindex(run.ranking).min()
    if run.objective.is_multi:
        valid &= reports["epoch"] == reports["trial"].map(run.trials["best_epoch"])
    values = reports[VALUE].where(valid)
    best = values.cummax() if run.objective.first.mode == "max" else values.cummin()
    so_far = pd.Series(best.ffill().to_numpy(), index=reports["cost"].cumsum().to_numpy()).dropna()
    return so_far[so_far != so_far.shift()]


def total_cost(run: Experiment, cost: Cost) -> float:
    """Sum the cost of all trials of a run."""
    return float(_report_costs(run.reports, cost).sum()) if len(run.reports) else 0.0


def value_at(values: pd.Series, cost: float) -> float | None:
    """Return a trajectory's value at a cost; None before its first."""
    index = int(np.searchsorted(values.index.to_numpy(), cost * (1 + 1e-9), side="right")) - 1
    return float(values.iloc[index]) if index >= 0 else None


def _report_costs(reports: pd.DataFrame, cost: Cost) -> pd.Series:
    """Return the cost of each report since the previous one of its trial."""
    if cost == "epochs":
        return pd.Series(1.0, index=reports.index)
    return reports.groupby("trial")["time/total_s"].diff().fillna(reports["time/total_s"])
