"""The figures of a run's course: its history and its learning curves, as plotly's plain dictionaries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.page import drawing
from analysis.page.blocks import Key, Plot, Shape
from analysis.page.drawing import BEST, DEFAULT, FAILED, FAINT, MUTED, axis, number, rounded
from analysis.questions.leading import BEST as UNPROVED
from analysis.questions.leading import SEARCHED, foremost, standing_out

DRAWN = 1000  # trials in the history of a large run
CURVES = 60  # lines among the learning curves
HIGHLIGHTED = 3
DASHES: tuple[tuple[Shape, str], ...] = (("line", "solid"), ("dash", "dash"), ("dots", "dot"))


def history(experiment: Experiment) -> Plot:
    """Each trial's best epoch over the trials, with the best so far and the default; trials must have results."""
    values, goal = experiment.trials["value"].dropna(), experiment.objective.first
    so_far, last = best_so_far(experiment), int(experiment.trials.index.max())
    drawn = drawing.sampled(list(values.index), DRAWN, {*drawing.named(experiment), *so_far.index})
    y, x = values.loc[drawn], pd.Series(drawn, index=drawn)
    limits, beyond = drawing.view(values, goal.mode)
    traces, legend = [_steps(so_far, last)], [Key("best so far", "line", BEST)]
    if experiment.default is not None:
        traces.append(_level("default settings", [0, last], float(values.loc[0])))
        legend.append(Key("default settings", "dash", DEFAULT))
    marks = drawing.by_status(experiment, x, y), _failed(experiment, limits), drawing.landmarks(experiment, x, y)
    for more_traces, more_keys in marks:
        traces += more_traces
        legend += more_keys
    x_axis = axis("trial", range=[-0.02 * last - 0.5, 1.02 * last + 0.5])
    figure = {"data": traces, "layout": drawing.layout(x_axis, axis(goal.metric, range=limits))}
    caption = (
        f"Each mark is a trial at its best epoch ({'higher' if goal.mode == 'max' else 'lower'} is better); the line "
        f"is the best so far, where a trial that keeps the constraints beats one that does not."
        f"{drawing.sample_words(len(drawn), len(values))}{drawing.left_out(beyond)}"
    )
    return Plot(_history_title(experiment, so_far), caption, figure, 360, tuple(legend))


def best_so_far(experiment: Experiment) -> pd.Series:
    """The values of the trials that were the best when they came, indexed by trial; the last one is the best of all."""
    places = pd.Series(range(len(experiment.ranked)), index=experiment.ranked).sort_index().cummin()
    return experiment.trials["value"].loc[places.index[~places.duplicated()]]


def learning_curves(experiment: Experiment) -> Plot:
    """The objective by epoch, the best trials and the default in front; trials must have results."""
    goal, budget = experiment.objective.first, experiment.space.budget
    names = _highlighted(experiment)
    front = list(names)
    always = {*front, *([0] if experiment.default is not None else [])}
    candidates = _with_reports(experiment)
    drawn = drawing.sampled(candidates, CURVES, always)
    curves = _curves(experiment, drawn)
    limits, beyond = drawing.view(pd.concat(curves.values())["objective/value"], goal.mode)
    traces, legend = _behind(experiment, curves, [trial for trial in drawn if trial not in always])
    for trial, (shape, dash) in zip(front, DASHES, strict=False):
        traces.append(_curve(names[trial], curves[trial], trial, BEST, dash))
        legend.append(Key(names[trial], shape, BEST))
    if experiment.default is not None:
        traces.append(_curve("default (#0)", curves[0], 0, DEFAULT, "solid"))
        legend.append(Key("default (#0)", "line", DEFAULT))
    shapes, labels = _rung_lines(budget.rungs)
    x_axis = axis("epoch", range=[0.6, budget.max_epochs + 0.4], showgrid=False)
    room = {"l": 56, "r": 18, "t": 26, "b": 46}
    more = {"shapes": shapes, "annotations": labels, "margin": room}
    figure = {"data": traces, "layout": drawing.layout(x_axis, axis(goal.metric, range=limits), **more)}
    caption = (
        "One line per trial; a triangle ends the line of a trial that was stopped. Vertical lines are the rungs at "
        f"which trials are compared.{drawing.sample_words(len(drawn), len(candidates))}"
        f"{' Part of the lines lies beyond the worse end of the axis.' if beyond else ''}"
    )
    return Plot(_curves_title(experiment), caption, figure, 400, tuple(legend))


def _highlighted(experiment: Experiment) -> dict[int, str]:
    """The trials in front with their names: those that stand out first, then the best ones."""
    called = standing_out(experiment)
    trials = [trial for trial in dict.fromkeys([*called, *experiment.ranked]) if trial != experiment.default]
    known = {trial: name for trial, name in called.items() if name != UNPROVED}
    return {
        trial: f"{known[trial]} (#{trial})" if trial in known else f"#{trial}"
        for trial in trials[:HIGHLIGHTED]
        if trial in experiment.ranked
    }


def _failed(experiment: Experiment, limits: list[float] | None) -> tuple[list[dict[str, Any]], list[Key]]:
    """Failed trials, which have no value, as crosses at the lower edge; and their legend."""
    trials = [int(trial) for trial in experiment.trials.index[experiment.trials["status"] == "failed"]]
    if not trials or limits is None:
        return [], []
    drawn = drawing.sampled(trials, DRAWN // 4)
    trace = drawing.marks("failed", drawn, [limits[0]] * len(drawn), drawn, FAILED[:2], cliponaxis=False)
    return [trace], [Key("failed", FAILED[2], FAILED[0])]


def _history_title(experiment: Experiment, so_far: pd.Series) -> str:
    if len(so_far) == 1:
        return f"No trial has beaten trial {so_far.index[0]} so far"
    best = "best in the search" if SEARCHED in standing_out(experiment).values() else "best"
    return f"The {best} was found at trial {so_far.index[-1]}, after {len(so_far) - 1} improvements on the first"


def _steps(so_far: pd.Series, last: int) -> dict[str, Any]:
    """The line of the best so far, to the last trial."""
    x, y = [*so_far.index, max(last, int(so_far.index[-1]))], [*so_far, so_far.iloc[-1]]
    return _line("best so far", x, y, BEST, shape="hv", width=2)


def _level(name: str, x: list[int], value: float) -> dict[str, Any]:
    return _line(name, x, [value, value], DEFAULT, dash="dash", width=1.5)


def _line(name: str, x: Any, y: Any, color: str, **line: Any) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": rounded(x),
        "y": rounded(y),
        "hovertemplate": f"{name} %{{y:.4g}}<extra></extra>",
        "line": {"color": color, **line},
    }


def _with_reports(experiment: Experiment) -> list[int]:
    """The trials that reported anything, the ranked ones in their order, then the failed."""
    known = set(experiment.reports["trial"].unique())
    return [*(trial for trial in experiment.ranked), *sorted(known - set(experiment.ranked))]


def _curves(experiment: Experiment, trials: list[int]) -> dict[int, pd.DataFrame]:
    """The reports of each trial."""
    reports = experiment.reports[experiment.reports["trial"].isin(trials)]
    parts = {trial: reports[reports["trial"] == trial] for trial in trials}
    return {trial: part for trial, part in parts.items() if len(part)}


def _behind(
    experiment: Experiment, curves: dict[int, pd.DataFrame], trials: list[int]
) -> tuple[list[dict[str, Any]], list[Key]]:
    """The lines in the background with the marks at their ends; and their legend."""
    if not trials:
        return [], []
    traces, legend = [_bundle(curves, trials)], [Key("other trials", "line", FAINT)]
    for name, (color, symbol, shape) in (("stopped", drawing.STATUS["stopped"]), ("failed", FAILED)):
        ended = [trial for trial in trials if experiment.trials["status"][trial] == name]
        if ended:
            last = [curves[trial].iloc[-1] for trial in ended]
            x, y = [row["epoch"] for row in last], [row["objective/value"] for row in last]
            traces.append(drawing.marks(name, x, y, ended, (color, symbol), size=9))
            legend.append(Key(name, shape, color))
    return traces, legend


def _bundle(curves: dict[int, pd.DataFrame], trials: list[int]) -> dict[str, Any]:
    """Many curves as one trace, with gaps between them."""
    gap = pd.DataFrame({"trial": [-1], "epoch": [np.nan], "objective/value": [np.nan]})
    columns = ["trial", "epoch", "objective/value"]
    parts = [part for trial in trials for part in (curves[trial][columns], gap)]
    joined = pd.concat(parts, ignore_index=True)
    line = _line("other trials", joined["epoch"], joined["objective/value"], FAINT, width=1)
    template = "epoch %{x} · %{y:.4g}<br>%{text}<extra></extra>"
    return {**line, "customdata": [int(trial) for trial in joined["trial"]], "hovertemplate": template}


def _curve(name: str, curve: pd.DataFrame, trial: int, color: str, dash: str) -> dict[str, Any]:
    line = _line(name, curve["epoch"], curve["objective/value"], color, width=2.5, dash=dash)
    template = "epoch %{x} · %{y:.4g}<br>%{text}<extra></extra>"
    single = {"mode": "lines+markers", "marker": {"size": 7, "color": color}} if len(curve) == 1 else {}
    return {**line, "customdata": [trial] * len(curve), "hovertemplate": template, **single}


def _rung_lines(rungs: tuple[int, ...]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A vertical line per rung, with its epoch above."""
    line = {"color": MUTED, "width": 1, "dash": "dot"}
    shapes = [
        {"type": "line", "x0": rung, "x1": rung, "y0": 0, "y1": 1, "yref": "paper", "line": line, "layer": "below"}
        for rung in rungs
    ]
    label = {"yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False, "font": {"size": 11, "color": MUTED}}
    anchors = ["center"] * (len(rungs) - 1) + ["right"]
    return shapes, [
        {**label, "x": rung, "text": f"rung {rung}", "xanchor": anchor}
        for rung, anchor in zip(rungs, anchors, strict=True)
    ]


def _curves_title(experiment: Experiment) -> str:
    """How early the winner, or the best trial, passed the default's best."""
    best, default, goal = foremost(experiment), experiment.default, experiment.objective.first
    if best is None or default is None or best == default:
        return "How did the trials learn?"
    level = float(experiment.trials["value"][default])
    curve = experiment.curve(best)
    passed = curve.index[curve > level] if goal.mode == "max" else curve.index[curve < level]
    if passed.empty:
        return "How did the trials learn?"
    who = "best trial" if standing_out(experiment)[best] == UNPROVED else "winner"
    return f"The {who} passed the default's best of {number(level)} at epoch {passed[0]}"
