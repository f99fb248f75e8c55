"""Several goals: what each trial ended with, which trials no other dominates there, and which one is chosen of them."""

from __future__ import annotations

import pandas as pd

from analysis.frames.lines import FEASIBLE, SECONDS, VALUE, VIOLATION
from trainables.objective import Objective


def last_reports(reports: pd.DataFrame) -> pd.DataFrame:
    """Each trial's last one of some `scored` reports, by trial, with the names of an experiment's `trials`."""
    names = {VALUE: "value", VIOLATION: "violation", FEASIBLE: "feasible", SECONDS: "seconds"}
    return reports.drop_duplicates("trial", keep="last").set_index("trial").rename(columns=names)


def front(known: pd.DataFrame, objective: Objective) -> list[int]:
    """The trials that no other dominates; those that break a constraint count only where all do.

    Args:
        known: a row per trial, with the metrics of all goals and `violation`.
    """
    metrics = [goal.metric for goal in objective.goals]
    known = known.dropna(subset=metrics)
    kept = known[known["violation"] == 0]
    known = known if kept.empty else kept
    return [int(known.index[place]) for place in objective.front(known[metrics].to_numpy().tolist())]


def chosen(members: pd.DataFrame, objective: Objective) -> int | None:
    """The trial of a front that the objective's rule chooses; None where no member keeps the constraints."""
    kept = members[members["violation"] == 0]
    place = objective.choose(kept[[goal.metric for goal in objective.goals]].to_numpy().tolist())
    return None if place is None else int(kept.index[place])
