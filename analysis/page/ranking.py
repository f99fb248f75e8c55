"""The trials of a run as tables: the best ones, and with several goals the Pareto front."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.page.baselines import add_rows
from analysis.page.blocks import Table
from analysis.page.drawing import format_column, format_number
from analysis.page.tables import format_setting
from analysis.questions.leaders import WINNER, find_leader, list_remarks, name_leaders
from trainables.settings import format_value

TOP_ROWS = 10
FRONT_ROWS = 40  # rows of a front


def top_trials(experiment: Experiment) -> pd.DataFrame:
    """List the best trials, the best first.

    Columns: `value`, `epoch`, `stage`, `feasible`, `violations`, `status`, `seconds`, `settings`.
    """
    best = experiment.ranking[:TOP_ROWS]
    frame = experiment.trials.loc[best, ["value", "best_epoch", "stage", "feasible", "status", "seconds"]]
    frame = frame.astype({"feasible": bool, "best_epoch": int})
    frame = frame.assign(violations=pd.Series([experiment.violations(trial) for trial in best], best, dtype=object))
    return frame.rename(columns={"best_epoch": "epoch"}).assign(settings=_list_settings(experiment, best))


def front_trials(experiment: Experiment) -> pd.DataFrame:
    """List the trials of the front at their last epoch: every goal's metric, `epoch`, `settings`."""
    members = experiment.front
    frame = experiment.trials.loc[members].rename(columns={"best_epoch": "epoch"}).astype({"epoch": int})
    frame = frame[[*_goal_metrics(experiment), "epoch"]]
    return frame.assign(settings=_list_settings(experiment, members))


def top_table(experiment: Experiment) -> Table:
    """Build the table of the default and the best trials, with a column per setting in which any of these differ.

    The proof's winner is among them whatever its rank, in bold.
    """
    leader, best = find_leader(experiment), experiment.ranking[:TOP_ROWS]
    if leader in experiment.ranking and leader not in best and leader is not None:
        best = [*best, leader]
    trials = best if experiment.default is None or 0 in best else [0, *best]
    objective = experiment.objective
    by = f" by {objective.first.metric}, the first of {len(objective.goals)} goals" if objective.is_multi else ""
    note = (
        f"“=” is the default's value, “–” a setting that does not apply. Ranked by validation on one seed{by}, after "
        "choosing among many: neighbours in this list may well change places."
        f"{list_remarks(experiment)}"
    )
    rows = experiment.trials.loc[trials].rename(columns={"best_epoch": "epoch"})
    return add_rows(_table(experiment, rows, leader, note), experiment)


def front_table(experiment: Experiment) -> Table:
    """Build the table of the front, sorted by the first goal, with the settings in which its trials differ.

    The chosen trial is among them whatever its rank, in bold.
    """
    first, choice = experiment.objective.first, experiment.choice
    members = experiment.trials.loc[experiment.front].rename(columns={"best_epoch": "epoch"})
    members = members.sort_values(first.metric, ascending=first.mode == "min")
    rows = members[(np.arange(len(members)) < FRONT_ROWS) | (members.index == choice)]
    omission = f" And {len(members) - len(rows):,} more, in the summary." if len(members) > len(rows) else ""
    bold = f" In bold the chosen trial: {experiment.objective.rule}." if choice is not None else ""
    note = (
        "No other trial is better than one of these in one goal without being worse in another. “=” is the default's "
        f"value, “–” a setting that does not apply. Metrics of the last epoch.{bold}{omission}"
    )
    return add_rows(_table(experiment, rows, choice, note), experiment)


def _table(experiment: Experiment, frame: pd.DataFrame, bold_trial: int | None, note: str) -> Table:
    """Build a table of trials with their metrics and the settings in which one of them differs from the default."""
    trials = [int(trial) for trial in frame.index]
    names = [
        name
        for name in map(str, experiment.settings)
        if any(_differs_from_default(experiment, trial, name) for trial in trials)
    ]
    metrics = list(dict.fromkeys([*_goal_metrics(experiment), *experiment.objective.constraints]))
    feasible_column = {"feasible": [_describe_feasibility(experiment, trial) for trial in trials]}
    columns = {
        "trial": [_name(experiment, trial) for trial in trials],
        **{metric: format_column(frame[metric]) for metric in metrics},
        "epoch": [format_number(epoch) for epoch in frame["epoch"]],
        **(feasible_column if experiment.objective.constraints else {}),
        "seconds": [format_number(seconds, 3) for seconds in frame["seconds"]],
        **{name: [_format_cell(experiment, trial, name) for trial in trials] for name in names},
    }
    rows = tuple(zip(*columns.values(), strict=True))
    bold_rows = frozenset({trials.index(bold_trial)} if bold_trial in trials else ())
    return Table(tuple(columns), rows, frozenset({*columns} - {"trial", "feasible"}), bold_rows=bold_rows, note=note)


def _describe_feasibility(experiment: Experiment, trial: int) -> str:
    violations = experiment.violations(trial)
    return f"no: {', '.join(violations)}" if violations else "yes"


def _goal_metrics(experiment: Experiment) -> list[str]:
    return list(dict.fromkeys(goal.metric for goal in experiment.objective.goals))


def _list_settings(experiment: Experiment, trials: list[int]) -> pd.Series:
    rows = [dict(experiment.settings.loc[trial].dropna()) for trial in trials]
    return pd.Series(rows, index=trials, dtype=object)


def _name(experiment: Experiment, trial: int) -> str:
    name = "default" if trial == 0 else f"#{trial}"
    return f"{name} (winner)" if name_leaders(experiment).get(trial) == WINNER else name


def _differs_from_default(experiment: Experiment, trial: int, name: str) -> bool:
    value = experiment.settings[name][trial]
    return bool(pd.notna(value)) and not _are_equal(getattr(experiment.space.config({}), name, None), value)


def _format_cell(experiment: Experiment, trial: int, name: str) -> str:
    """Format a setting of a trial beside the default's."""
    value = experiment.settings[name][trial]
    if pd.isna(value):
        return "–"
    return format_setting(value) if trial == 0 or _differs_from_default(experiment, trial, name) else "="


def _are_equal(old: Any, new: Any) -> bool:
    if isinstance(old, int | float) and isinstance(new, int | float):
        return bool(old == new)
    return format_value(old) == format_value(new)
