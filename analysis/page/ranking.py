"""The trials of a run as tables: the best ones, and of several goals the Pareto front."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.page.blocks import Table
from analysis.page.drawing import aligned, number
from analysis.page.tables import spelled
from analysis.questions.leading import WINNER, foremost, standing_out
from trainables.settings import plain

TOP = 10
FRONT = 40  # rows of a front


def top(experiment: Experiment) -> pd.DataFrame:
    """The best trials, the best first: `value`, `epoch`, `feasible`, `status`, `seconds`, `settings`."""
    best = experiment.ranked[:TOP]
    frame = experiment.trials.loc[best, ["value", "best_epoch", "feasible", "status", "seconds"]]
    frame = frame.astype({"feasible": bool, "best_epoch": int})
    return frame.rename(columns={"best_epoch": "epoch"}).assign(settings=_settings(experiment, best))


def front(experiment: Experiment) -> pd.DataFrame:
    """The trials of the front at their last epoch: every goal's metric, `epoch`, `settings`."""
    members = experiment.front
    frame = experiment.latest.loc[members, [*_goals(experiment), "epoch"]]
    return frame.assign(settings=_settings(experiment, members))


def top_table(experiment: Experiment) -> Table:
    """The best trials below the default, with a column per setting in which one of them differs from it.

    A proved winner is among them whatever its place, and stands out.
    """
    first, best = foremost(experiment), experiment.ranked[:TOP]
    if first in experiment.ranked and first not in best and first is not None:
        best = [*best, first]
    trials = best if experiment.default is None or 0 in best else [0, *best]
    objective = experiment.objective
    by = f" by {objective.first.metric}, the first of {len(objective.goals)} goals" if objective.several else ""
    note = (
        f"“=” is the default's value, “–” a setting that does not apply. Ranked by validation on one seed{by}, after "
        "choosing among many: neighbours in this list may well change places."
    )
    known = experiment.trials.loc[trials].rename(columns={"best_epoch": "epoch"})
    return _table(experiment, known, first, note)


def front_table(experiment: Experiment) -> Table:
    """The front's trials in the order of the first goal, the best first, with the settings in which they differ.

    The chosen one is among them whatever its place, and stands out.
    """
    first, chosen = experiment.objective.first, experiment.chosen
    members = experiment.latest.loc[experiment.front].sort_values(first.metric, ascending=first.mode == "min")
    shown = members[(np.arange(len(members)) < FRONT) | (members.index == chosen)]
    more = f" And {len(members) - len(shown):,} more, in the summary." if len(members) > len(shown) else ""
    bold = f" In bold the one that is chosen: {experiment.objective.rule}." if chosen is not None else ""
    note = (
        "No other trial is better than one of these in one goal without being worse in another. “=” is the default's "
        f"value, “–” a setting that does not apply. Figures of the last epoch.{bold}{more}"
    )
    return _table(experiment, shown, chosen, note)


def _table(experiment: Experiment, known: pd.DataFrame, strong: int | None, note: str) -> Table:
    """Trials with their metrics and the settings in which one of them differs from the default."""
    trials = [int(trial) for trial in known.index]
    names = [name for name in map(str, experiment.settings) if any(_differs(experiment, each, name) for each in trials)]
    metrics = list(dict.fromkeys([*_goals(experiment), *experiment.objective.constraints]))
    kept = {"feasible": ["yes" if feasible else "no" for feasible in known["feasible"]]}
    columns = {
        "trial": [_name(experiment, trial) for trial in trials],
        **{metric: aligned(known[metric]) for metric in metrics},
        "epoch": [number(epoch) for epoch in known["epoch"]],
        **(kept if experiment.objective.constraints else {}),
        "seconds": [number(seconds, 3) for seconds in known["seconds"]],
        **{name: [_cell(experiment, trial, name) for trial in trials] for name in names},
    }
    rows = tuple(zip(*columns.values(), strict=True))
    place = frozenset({trials.index(strong)} if strong in trials else ())
    return Table(tuple(columns), rows, frozenset({*columns} - {"trial", "feasible"}), strong=place, note=note)


def _goals(experiment: Experiment) -> list[str]:
    return list(dict.fromkeys(goal.metric for goal in experiment.objective.goals))


def _settings(experiment: Experiment, trials: list[int]) -> pd.Series:
    rows = [dict(experiment.settings.loc[trial].dropna()) for trial in trials]
    return pd.Series(rows, index=trials, dtype=object)


def _name(experiment: Experiment, trial: int) -> str:
    name = "default" if trial == 0 else f"#{trial}"
    return f"{name} (winner)" if standing_out(experiment).get(trial) == WINNER else name


def _differs(experiment: Experiment, trial: int, name: str) -> bool:
    value = experiment.settings[name][trial]
    return bool(pd.notna(value)) and not _same(getattr(experiment.space.config({}), name, None), value)


def _cell(experiment: Experiment, trial: int, name: str) -> str:
    """A setting of a trial beside the default's."""
    value = experiment.settings[name][trial]
    if pd.isna(value):
        return "–"
    return spelled(value) if trial == 0 or _differs(experiment, trial, name) else "="


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, int | float) and isinstance(new, int | float):
        return bool(old == new)
    return plain(old) == plain(new)
