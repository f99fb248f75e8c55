"""Several goals: the last report of each trial, the Pareto front of these, and the trial chosen from the front."""

from __future__ import annotations

import pandas as pd

from analysis.frames.lines import FEASIBLE, SECONDS, VALUE, VIOLATION
from trainables.objective import Objective


def last_reports(reports: pd.DataFrame) -> pd.DataFrame:
    """Select each trial's last report, by trial, with the column names of an experiment's `trials`.

    Args:
        reports: with the columns that `lines.add_objective` adds.
    """
    names = {VALUE: "value", VIOLATION: "violation", FEASIBLE: "feasible", SECONDS: "seconds"}
    return reports.drop_duplicates("trial", keep="last").set_index("trial").rename(columns=names)


def front(reports: pd.DataFrame, objective: Objective) -> list[int]:
    """Return the trials that no other dominates; those that violate a constraint count only where all do.

    Args:
        reports: a row per trial, with the metrics of all goals and `violation`.
    """
    metrics = [goal.metric for goal in objective.goals]
    reports = reports.dropna(subset=metrics)
    feasible = reports[reports["violation"] == 0]
    candidates = reports if feasible.empty else feasible
    return [int(candidates.index[index]) for index in objective.front(candidates[metrics].to_numpy().tolist())]


def choose(members: pd.DataFrame, objective: Objective) -> int | None:
    """Choose a trial of a front by the objective's rule; None where no member keeps the constraints."""
    feasible = members[members["violation"] == 0]
    index = objective.choose(feasible[[goal.metric for goal in objective.goals]].to_numpy().tolist())
    return None if index is None else int(feasible.index[index])
