"""Combinations and trade-offs: all settings of a trial as one line, and what one goal costs in another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import CategoricalDistribution

from analysis.frames.experiment import Experiment
from analysis.page import drawing
from analysis.page.blocks import LegendKey, Plot
from analysis.page.drawing import BEST, CHOICE_MARK, DEFAULT, FAINT, INK, LIMIT, SECONDARY, SURFACE, axis, format_number
from analysis.page.slices import choice_names, position
from analysis.questions.leaders import SEARCH_BEST, list_remarks, name_leaders
from analysis.wording import format_count, inflect

MAX_LINES = 150  # trials among the parallel coordinates
MAX_TRIALS = 1000  # trials of a large run against two goals
FIFTH_COLORS = (FAINT, FAINT, "--scale-1", "--scale-2", "--scale-3")
OFF_POSITION = 1.09  # of a setting that does not apply, where its range is 0 to 1


def draw_parallel_coordinates(experiment: Experiment, rung: int) -> Plot:
    """Draw each trial as a line from setting to setting, the best in front; trials must have reached the rung."""
    values = experiment.values_at(rung).dropna()
    dimensions = [dimension for dimension in experiment.space.dimensions if dimension.name in experiment.settings]
    order = values.sort_values(ascending=experiment.objective.first.mode == "max").index.to_list()  # worst first
    sample = drawing.sample_trials(order, MAX_LINES, {order[-1]})
    rows = {dimension.name: index for index, dimension in enumerate(reversed(dimensions))}
    columns = {dimension.name: _coordinates(experiment, dimension, sample) for dimension in dimensions}
    x = pd.DataFrame(columns, index=sample)
    traces = []
    colors = FIFTH_COLORS if len(sample) >= len(FIFTH_COLORS) else FIFTH_COLORS[-1:]
    for index, fifth in enumerate(np.array_split(np.array(sample), len(colors))):
        width = 1 if index < len(colors) - 1 else 1.5
        traces.append(_lines(f"fifth {index + 1}", x.loc[fifth], rows, colors[index], width))
    legend = [LegendKey("worst fifth", "line", FIFTH_COLORS[0]), LegendKey("best fifth", "line", FIFTH_COLORS[-1])]
    for trial, name, color, width in _highlights(experiment):
        row = {dimension.name: _coordinates(experiment, dimension, [trial]) for dimension in dimensions}
        leader_x = pd.DataFrame(row, index=[trial])
        traces.append(_lines(f"{name} (#{trial})", leader_x, rows, color, width))
        legend.append(LegendKey(f"{name} (#{trial})", "line", color))
    invisible = {"visible": False, "fixedrange": True}
    shapes, labels = _rails(dimensions, rows)
    figure = {
        "data": traces,
        "layout": drawing.layout(
            {**invisible, "range": [-0.03, 1.14]},
            {**invisible, "range": [-0.55, len(rows) - 0.3]},
            shapes=shapes,
            annotations=labels,
            margin={"l": 8, "r": 8, "t": 8, "b": 8},
        ),
    }
    caption = (
        f"Each line is a trial, crossing every setting at its value; coloured by fifths of "
        f"{experiment.objective.first.metric} at epoch {rung}. Trials in which a setting does not apply pass "
        f"at “off”.{drawing.sample_note(len(sample), len(order))}"
    )
    return Plot("Which combinations went with good results?", caption, figure, 40 + 52 * len(rows), tuple(legend))


def draw_trade_offs(experiment: Experiment) -> list[Plot]:
    """Draw the first goal against every other, or a single goal against every constrained metric; perhaps none."""
    objective = experiment.objective
    metrics = [goal.metric for goal in objective.goals[1:]] or list(objective.constraints)
    return [_trade_off(experiment, metric) for metric in metrics if metric != objective.first.metric]


def _trade_off(experiment: Experiment, metric: str) -> Plot:
    objective = experiment.objective
    trials, epoch = experiment.trials.loc[sorted(experiment.ranking)], "last" if objective.is_multi else "best"
    first = objective.first
    complete = trials[[first.metric, metric]].dropna().index
    modes = {goal.metric: goal.mode for goal in objective.goals}
    bound = objective.constraints.get(metric)
    members = experiment.front if objective.is_multi else []
    sample = drawing.sample_trials(
        list(complete), MAX_TRIALS, {*members, *drawing.reference_trials(experiment)} & {*complete}
    )
    x, y = trials[metric].loc[sample].astype(float), trials[first.metric].loc[sample]
    traces, legend = drawing.draw_by_status(experiment, x, y)
    stars, star_keys = drawing.draw_references(experiment, x, y)
    if objective.is_multi:
        traces.append(_draw_front(experiment, metric))
        legend.insert(0, LegendKey("Pareto front", "line" if len(objective.goals) == 2 else "dot", BEST))
        ring, ring_key = _draw_choice(experiment, metric)
        stars, star_keys = [*stars, *ring], [*star_keys, *ring_key]
    limits, outliers = drawing.axis_range(trials[first.metric].loc[complete], first.mode)
    x_limits, x_outliers = drawing.axis_range(
        [*trials[metric].loc[complete], *([bound] if bound is not None else [])], modes.get(metric, "min")
    )
    shapes, labels = _draw_bound(bound) if bound is not None else ([], [])
    figure = {
        "data": [*traces, *stars],
        "layout": drawing.layout(
            axis(metric, range=x_limits), axis(first.metric, range=limits), shapes=shapes, annotations=labels
        ),
    }
    caption = f"Each mark is a trial at its {epoch} epoch.{_reading_hint(experiment)}"
    caption += f"{drawing.sample_note(len(sample), len(complete))}{drawing.outlier_note(max(outliers, x_outliers))}"
    caption += list_remarks(experiment)
    return Plot(
        _trade_title(experiment, metric, len(complete), members), caption, figure, 380, legend=(*legend, *star_keys)
    )


def _highlights(experiment: Experiment) -> list[tuple[int, str, str, float]]:
    """List the trials with lines of their own: number, name, colour and width, the leader last."""
    default = [] if experiment.default is None else [(experiment.default, "default", DEFAULT, 3.5)]
    leaders = [
        (trial, name, INK if name == SEARCH_BEST else BEST, 2.5 if name == SEARCH_BEST else 3.5)
        for trial, name in name_leaders(experiment).items()
    ]
    return [*default, *reversed(leaders)]


def _coordinates(experiment: Experiment, dimension: Any, trials: list[int]) -> list[float]:
    """Compute where trials cross a setting; `OFF_POSITION` where it does not apply."""
    column = experiment.settings[dimension.name].reindex(trials)
    positions = [OFF_POSITION if pd.isna(value) else _clip_position(position(dimension, value)) for value in column]
    if isinstance(dimension.distribution, CategoricalDistribution):
        offsets = drawing.jitter(trials, 0.3 / len(choice_names(dimension)))
        return [x if x == OFF_POSITION else x + float(offset) for x, offset in zip(positions, offsets, strict=True)]
    return positions


def _clip_position(value: float) -> float:
    """Clip a position to just outside the range: a default may lie far beyond it."""
    return OFF_POSITION if np.isnan(value) else min(1.02, max(-0.02, value))


def _lines(name: str, positions: pd.DataFrame, rows: dict[str, int], color: str, width: float) -> dict[str, Any]:
    """Merge many trials into one trace, with gaps between them."""
    names = list(rows)[::-1]
    x: list[float | None] = []
    y: list[float | None] = []
    trials: list[int] = []
    for trial, row in zip(positions.index, positions[names].to_numpy(), strict=True):
        x += [*drawing.round_values(row), None]
        y += [*(rows[setting] for setting in names), None]
        trials += [int(trial)] * (len(names) + 1)
    line = {"color": color, "width": width}
    template = "%{text}<extra></extra>"
    common = {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": line}
    return {**common, "customdata": trials, "hovertemplate": template, "opacity": 1 if width > 2 else 0.75}


def _rails(dimensions: list[Any], rows: dict[str, int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Draw a horizontal line per setting with its name and its ends."""
    shapes, labels = [], []
    base = {"showarrow": False, "yanchor": "bottom", "yshift": 3, "bgcolor": SURFACE, "borderpad": 1}
    for dimension in dimensions:
        y, kind = rows[dimension.name], dimension.distribution
        rail = {"type": "line", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": {"color": SECONDARY, "width": 1}}
        shapes.append({**rail, "layer": "below"})
        log = "  log" if getattr(kind, "log", False) else ""
        name = {"text": f"<b>{drawing.escape_text(dimension.name)}</b>{log}", "font": {"size": 12, "color": INK}}
        labels.append({**base, **name, "x": 0, "y": y, "xanchor": "left", "yshift": 14})
        if isinstance(kind, CategoricalDistribution):
            ends = [((index + 0.5) / len(kind.choices), choice) for index, choice in enumerate(choice_names(dimension))]
        else:
            ends = [(0.0, format_number(float(kind.low))), (1.0, format_number(float(kind.high)))]
        if dimension.when:
            ends.append((OFF_POSITION, "off"))
        for x, label in ends:
            anchor = "left" if x == 0 else "right" if x == 1 else "center"
            small = {"text": drawing.escape_text(label), "font": {"size": 11, "color": SECONDARY}, "xanchor": anchor}
            labels.append({**base, **small, "x": x, "y": y, "yanchor": "top", "yshift": -3})
    return shapes, labels


def _draw_front(experiment: Experiment, metric: str) -> dict[str, Any]:
    """Draw the front's members; with two goals they lie on a line, with more they do not."""
    first = experiment.objective.first.metric
    line = experiment.trials.loc[experiment.front, [metric, first]].sort_values([metric, first])
    trials = [int(trial) for trial in line.index]
    trace = drawing.trial_marks("Pareto front", line[metric], line[first], trials, (BEST, "circle"), size=8)
    if len(experiment.objective.goals) > 2:
        return trace
    return {**trace, "mode": "lines+markers", "line": {"color": BEST, "width": 2}}


def _draw_choice(experiment: Experiment, metric: str) -> tuple[list[dict[str, Any]], list[LegendKey]]:
    """Draw a ring about the chosen trial of the front, with its legend; nothing where there is none."""
    trial = experiment.choice
    if trial is None:
        return [], []
    name, (color, symbol, shape, size) = f"chosen (#{trial})", CHOICE_MARK
    report = experiment.trials.loc[[trial]]
    x, y = report[metric], report[experiment.objective.first.metric]
    return [drawing.trial_marks(name, x, y, [trial], (color, symbol), size=size, opacity=1.0)], [
        LegendKey(name, shape, color)
    ]


def _draw_bound(bound: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Draw the line beyond which a constraint is violated."""
    line = {"color": LIMIT, "width": 1.5, "dash": "dash"}
    shape = {"type": "line", "x0": bound, "x1": bound, "y0": 0, "y1": 1, "yref": "paper", "line": line}
    label = {"x": bound, "y": 1, "yref": "paper", "text": f"≤ {bound:g}", "xanchor": "right", "yanchor": "top"}
    return [shape], [{**label, "showarrow": False, "xshift": -4, "font": {"color": LIMIT, "size": 12}}]


def _reading_hint(experiment: Experiment) -> str:
    if not experiment.objective.is_multi:
        return " Left of the dashed line the constraint is kept."
    goals = len(experiment.objective.goals)
    comparison = "both goals than a trial on the line" if goals == 2 else f"all {goals} goals than one of the front"
    return f" No trial that was trained to its end is better in {comparison}; see the table."


def _trade_title(experiment: Experiment, metric: str, total: int, members: list[int]) -> str:
    if experiment.objective.is_multi:
        goals = experiment.objective.goals
        names = f"{goals[0].metric} and {metric}" if len(goals) == 2 else f"all {len(goals)} goals"
        are = inflect(len(members), "is", "are")
        return f"{len(members)} of {format_count(total, 'trial')} {are} on the front of {names}"
    bound = experiment.objective.constraints[metric]
    feasible = int((experiment.trials[metric].loc[experiment.ranking] <= bound).sum())
    return f"{feasible:,} of {format_count(total, 'trial')} {inflect(feasible, 'keeps', 'keep')} {metric} ≤ {bound:g}"
