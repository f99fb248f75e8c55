"""Figures of a run over time: its history and its learning curves, as plotly's plain dictionaries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.page import baselines, drawing
from analysis.page.blocks import LegendKey, Plot, Shape
from analysis.page.drawing import BEST, DEFAULT, FAILED_MARK, FAINT, SECONDARY, axis, format_number, round_values
from analysis.questions.leaders import BEST as BEST_WITHOUT_PROOF
from analysis.questions.leaders import SEARCH_BEST, find_leader, list_remarks, name_leaders
from analysis.wording import format_count

MAX_TRIALS = 1000  # trials in the history of a large run
MAX_CURVES = 60  # lines among the learning curves
MAX_HIGHLIGHTS = 3
DASHES: tuple[tuple[Shape, str], ...] = (("line", "solid"), ("dash", "dash"), ("dots", "dot"))


def draw_history(experiment: Experiment) -> Plot:
    """Draw the value of each trial by its number, with the best so far and the default; trials must have results."""
    values, goal = experiment.trials["value"].loc[sorted(experiment.ranking)], experiment.objective.first
    so_far, last = best_so_far(experiment), int(experiment.trials.index.max())
    sample = drawing.sample_trials(
        list(values.index), MAX_TRIALS, {*drawing.reference_trials(experiment), *so_far.index}
    )
    y, x = values.loc[sample], pd.Series(sample, index=sample)
    limits, outliers = drawing.axis_range(values, goal.mode)
    limits = baselines.extend_limits(experiment, limits)
    traces, legend = [_best_line(so_far, last)], [LegendKey("best so far", "line", BEST)]
    if experiment.default is not None:
        traces.append(_horizontal_line("default settings", [0, last], float(values.loc[0])))
        legend.append(LegendKey("default settings", "dash", DEFAULT))
    marks = (
        baselines.draw_lines(experiment, (0, last), limits),
        drawing.draw_by_status(experiment, x, y),
        _draw_failed(experiment, limits),
        drawing.draw_references(experiment, x, y),
    )
    for status_traces, status_keys in marks:
        traces += status_traces
        legend += status_keys
    x_axis = axis("trial", range=[-0.02 * last - 0.5, 1.02 * last + 0.5])
    figure = {"data": traces, "layout": drawing.layout(x_axis, axis(goal.metric, range=limits))}
    epoch = "last" if experiment.objective.is_multi else "best"
    caption = (
        f"Each mark is a trial at its {epoch} epoch ({'higher' if goal.mode == 'max' else 'lower'} is better); the "
        f"line is the best so far, where a trial that keeps the constraints beats one that does not."
        f"{drawing.sample_note(len(sample), len(values))}{drawing.outlier_note(outliers)}"
        f"{list_remarks(experiment)}"
    )
    return Plot(_history_title(experiment, so_far), caption, figure, 360, tuple(legend))


def best_so_far(experiment: Experiment) -> pd.Series:
    """List the trials that are better than all with lower numbers, with their values; the last is the best of all."""
    ranks = pd.Series(range(len(experiment.ranking)), index=experiment.ranking).sort_index().cummin()
    return experiment.trials["value"].loc[ranks.index[~ranks.duplicated()]]


def draw_learning_curves(experiment: Experiment) -> Plot:
    """Draw the objective by epoch, the best trials and the default in front; trials must have results."""
    goal, budget = experiment.objective.first, experiment.space.budget
    names = _highlights(experiment)
    front = list(names)
    always = {*front, *([0] if experiment.default is not None else [])}
    candidates = _trials_with_reports(experiment)
    sample = drawing.sample_trials(candidates, MAX_CURVES, always)
    curves = _split_curves(experiment, sample)
    limits, outliers = drawing.axis_range(pd.concat(curves.values())["objective/value"], goal.mode)
    limits = baselines.extend_limits(experiment, limits)
    traces, legend = _draw_background(experiment, curves, [trial for trial in sample if trial not in always])
    for trial, (shape, dash) in zip(front, DASHES, strict=False):
        traces.append(_draw_curve(names[trial], curves[trial], trial, BEST, dash))
        legend.append(LegendKey(names[trial], shape, BEST))
    if experiment.default is not None:
        traces.append(_draw_curve("default (#0)", curves[0], 0, DEFAULT, "solid"))
        legend.append(LegendKey("default (#0)", "line", DEFAULT))
    lines, keys = baselines.draw_lines(experiment, (1, budget.max_epochs), limits)
    traces, legend = [*lines, *traces], [*legend, *keys]
    shapes, labels = _rung_lines(budget.rungs)
    x_axis = axis("epoch", range=[0.6, budget.max_epochs + 0.4], showgrid=False)
    margin = {"l": 56, "r": 18, "t": 26, "b": 46}
    options = {"shapes": shapes, "annotations": labels, "margin": margin}
    figure = {"data": traces, "layout": drawing.layout(x_axis, axis(goal.metric, range=limits), **options)}
    caption = (
        "One line per trial; a triangle ends the line of a trial that was stopped. Vertical lines are the rungs at "
        f"which trials are compared.{drawing.sample_note(len(sample), len(candidates))}"
        f"{' Part of the lines lies beyond the worse end of the axis.' if outliers else ''}"
    )
    return Plot(_curves_title(experiment), caption, figure, 400, tuple(legend))


def _highlights(experiment: Experiment) -> dict[int, str]:
    """Choose the trials in front, with their names: the leaders first, then the best ones."""
    leaders = name_leaders(experiment)
    trials = [trial for trial in dict.fromkeys([*leaders, *experiment.ranking]) if trial != experiment.default]
    names = {trial: name for trial, name in leaders.items() if name != BEST_WITHOUT_PROOF}
    return {
        trial: f"{names[trial]} (#{trial})" if trial in names else f"#{trial}"
        for trial in trials[:MAX_HIGHLIGHTS]
        if trial in experiment.ranking
    }


def _draw_failed(experiment: Experiment, limits: list[float] | None) -> tuple[list[dict[str, Any]], list[LegendKey]]:
    """Draw failed trials, which have no value, as crosses at the lower edge; with their legend."""
    trials = [int(trial) for trial in experiment.trials.index[experiment.trials["status"] == "failed"]]
    if not trials or limits is None:
        return [], []
    sample = drawing.sample_trials(trials, MAX_TRIALS // 4)
    trace = drawing.trial_marks("failed", sample, [limits[0]] * len(sample), sample, FAILED_MARK[:2], cliponaxis=False)
    return [trace], [LegendKey("failed", FAILED_MARK[2], FAILED_MARK[0])]


def _history_title(experiment: Experiment, so_far: pd.Series) -> str:
    if len(so_far) == 1:
        return f"No trial has beaten trial {so_far.index[0]} so far"
    best = "best in the search" if SEARCH_BEST in name_leaders(experiment).values() else "best"
    improvements = format_count(len(so_far) - 1, "improvement")
    return f"The {best} was found at trial {so_far.index[-1]}, after {improvements} on the first"


def _best_line(so_far: pd.Series, last: int) -> dict[str, Any]:
    """Draw the line of the best so far, to the last trial."""
    x, y = [*so_far.index, max(last, int(so_far.index[-1]))], [*so_far, so_far.iloc[-1]]
    return _line("best so far", x, y, BEST, shape="hv", width=2)


def _horizontal_line(name: str, x: list[int], value: float) -> dict[str, Any]:
    return _line(name, x, [value, value], DEFAULT, dash="dash", width=1.5)


def _line(name: str, x: Any, y: Any, color: str, **line: Any) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": round_values(x),
        "y": round_values(y),
        "hovertemplate": f"{name} %{{y:.4g}}<extra></extra>",
        "line": {"color": color, **line},
    }


def _trials_with_reports(experiment: Experiment) -> list[int]:
    """List the trials that reported anything: the ranked ones in their order, then those without a result."""
    with_reports = set(experiment.reports["trial"].unique())
    return [*(trial for trial in experiment.ranking), *sorted(with_reports - set(experiment.ranking))]


def _split_curves(experiment: Experiment, trials: list[int]) -> dict[int, pd.DataFrame]:
    """Split the reports by trial."""
    reports = experiment.reports[experiment.reports["trial"].isin(trials)]
    parts = {trial: reports[reports["trial"] == trial] for trial in trials}
    return {trial: part for trial, part in parts.items() if len(part)}


def _draw_background(
    experiment: Experiment, curves: dict[int, pd.DataFrame], trials: list[int]
) -> tuple[list[dict[str, Any]], list[LegendKey]]:
    """Draw the lines in the background with marks at their ends; with their legend."""
    if not trials:
        return [], []
    traces, legend = [_merge_curves(curves, trials)], [LegendKey("other trials", "line", FAINT)]
    for name, (color, symbol, shape) in (("stopped", drawing.STATUS_MARKS["stopped"]), ("failed", FAILED_MARK)):
        members = [trial for trial in trials if experiment.trials["status"][trial] == name]
        if members:
            last = [curves[trial].iloc[-1] for trial in members]
            x, y = [row["epoch"] for row in last], [row["objective/value"] for row in last]
            traces.append(drawing.trial_marks(name, x, y, members, (color, symbol), size=9))
            legend.append(LegendKey(name, shape, color))
    return traces, legend


def _merge_curves(curves: dict[int, pd.DataFrame], trials: list[int]) -> dict[str, Any]:
    """Merge many curves into one trace, with gaps between them."""
    gap = pd.DataFrame({"trial": [-1], "epoch": [np.nan], "objective/value": [np.nan]})
    columns = ["trial", "epoch", "objective/value"]
    parts = [part for trial in trials for part in (curves[trial][columns], gap)]
    rows = pd.concat(parts, ignore_index=True)
    line = _line("other trials", rows["epoch"], rows["objective/value"], FAINT, width=1)
    template = "epoch %{x} · %{y:.4g}<br>%{text}<extra></extra>"
    return {**line, "customdata": [int(trial) for trial in rows["trial"]], "hovertemplate": template}


def _draw_curve(name: str, curve: pd.DataFrame, trial: int, color: str, dash: str) -> dict[str, Any]:
    line = _line(name, curve["epoch"], curve["objective/value"], color, width=2.5, dash=dash)
    template = "epoch %{x} · %{y:.4g}<br>%{text}<extra></extra>"
    single = {"mode": "lines+markers", "marker": {"size": 7, "color": color}} if len(curve) == 1 else {}
    return {**line, "customdata": [trial] * len(curve), "hovertemplate": template, **single}


def _rung_lines(rungs: tuple[int, ...]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Draw a vertical line per rung, with its epoch above."""
    line = {"color": SECONDARY, "width": 1, "dash": "dot"}
    shapes = [
        {"type": "line", "x0": rung, "x1": rung, "y0": 0, "y1": 1, "yref": "paper", "line": line, "layer": "below"}
        for rung in rungs
    ]
    label = {"yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False, "font": {"size": 11, "color": SECONDARY}}
    anchors = ["center"] * (len(rungs) - 1) + ["right"]
    return shapes, [
        {**label, "x": rung, "text": f"rung {rung}", "xanchor": anchor}
        for rung, anchor in zip(rungs, anchors, strict=True)
    ]


def _curves_title(experiment: Experiment) -> str:
    """Tell how early the winner, or the best trial, passed the default's best."""
    best, default, goal = find_leader(experiment), experiment.default, experiment.objective.first
    if best is None or default is None or best == default:
        return "How did the trials learn?"
    level = float(experiment.trials["value"][default])
    curve = experiment.curve(best)
    epochs = curve.index[curve > level] if goal.mode == "max" else curve.index[curve < level]
    if epochs.empty:
        return "How did the trials learn?"
    leader = "best trial" if name_leaders(experiment)[best] == BEST_WITHOUT_PROOF else "winner"
    return f"The {leader} passed the default's best of {format_number(level)} at epoch {epochs[0]}"
