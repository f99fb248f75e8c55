"""The objective over each searched setting, at an epoch that all trials in the figures have reached."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from optuna.distributions import CategoricalDistribution

from analysis.frames.experiment import Experiment
from analysis.page import drawing
from analysis.page.blocks import Grid, LegendKey, Plot
from analysis.page.drawing import BAND, DEFAULT, INK, axis
from analysis.page.tables import format_setting
from analysis.questions.edges import EDGE_SHARE, Edge, find_edges
from analysis.questions.leaders import find_leader, name_leaders
from analysis.wording import format_count
from trainables.settings import format_value

if TYPE_CHECKING:
    from search.dimensions import Dimension

MAX_TRIALS = 400  # trials in each slice of a large run
MIN_TREND_TRIALS = 20  # trials from which a line of medians is drawn


def shared_rung(experiment: Experiment, min_trials: int) -> int | None:
    """Choose the highest rung with enough trials, or else the one with most; None before the first rung."""
    highest = experiment.common_rung(min_trials)
    if highest is not None or experiment.common_rung(1) is None:
        return highest
    return max(experiment.space.budget.rungs, key=lambda rung: len(experiment.values_at(rung)))


def draw_slices(experiment: Experiment, rung: int) -> Grid:
    """Draw a small figure per searched setting; trials must have reached the rung."""
    values = experiment.values_at(rung).dropna()
    order = [trial for trial in experiment.ranking if trial in values.index]
    sample = drawing.sample_trials(order, MAX_TRIALS, {*drawing.reference_trials(experiment)} & {*order})
    limits, outliers = drawing.axis_range(values, experiment.objective.first.mode)
    plots, legend = [], dict[str, LegendKey]()
    edges = {edge.name: edge for edge in find_edges(experiment)}
    for dimension in experiment.space.dimensions:
        plot = _slice(experiment, dimension, values, sample, limits)
        if plot is not None:
            plots.append(replace(plot, caption=_describe_leader(experiment, dimension, edges.get(dimension.name))))
            legend.update({key.text: key for key in plot.legend})
    trials = format_count(len(values), "trial")
    caption = (
        f"{experiment.objective.first.metric} at epoch {rung}, where {trials} can be compared, over each setting; a "
        f"conditional setting shows only the trials in which it applied. Solid line: median. Dashed vertical: the "
        f"default's value. Shaded: the outer {EDGE_SHARE:.0%} of the searched range."
        f"{drawing.sample_note(len(sample), len(order))}{drawing.outlier_note(outliers)}"
    )
    return Grid(_title(list(edges.values())), caption, tuple(plots), tuple(legend.values()))


def position(dimension: Dimension, value: Any) -> float:
    """Compute where a value lies in its range, from 0 at the low end to 1; choices evenly spaced; else NaN."""
    kind = dimension.distribution
    if isinstance(kind, CategoricalDistribution):
        names = choice_names(dimension)
        return (names.index(format_value(value)) + 0.5) / len(names) if format_value(value) in names else float("nan")
    if not isinstance(value, int | float | np.number):  # the record is damaged
        return float("nan")
    low, high, value = float(kind.low), float(kind.high), float(value)
    if kind.log:
        low, high, value = float(np.log(low)), float(np.log(high)), float(np.log(value)) if value > 0 else float("nan")
    return (value - low) / (high - low) if high > low else 0.5


def choice_names(dimension: Dimension) -> list[str]:
    """List the names of a setting's choices."""
    return [format_value(choice) for choice in dimension.distribution.choices]


def _slice(
    experiment: Experiment, dimension: Dimension, values: pd.Series, sample: list[int], limits: list[float] | None
) -> Plot | None:
    """Draw one setting; None where no trial of the sample has it."""
    column = experiment.settings[dimension.name].reindex(values.index).dropna()
    if isinstance(dimension.distribution, CategoricalDistribution):
        x, x_axis = _jitter_choices(dimension, column)
    else:
        x = pd.to_numeric(column, errors="coerce").dropna()
        x_axis = _numeric_axis(dimension, x)
    x_sample = x.loc[[trial for trial in sample if trial in x.index]]
    if x_sample.empty:
        return None
    traces, legend = drawing.draw_by_status(
        experiment, x_sample, values.loc[x_sample.index], size=5 if len(x_sample) > 60 else 6
    )
    traces += _trend(dimension, x, values.loc[x.index])
    stars, star_keys = drawing.draw_references(experiment, x_sample, values)
    shapes = _edge_shapes(dimension) + _default_line(experiment, dimension)
    figure = {
        "data": [*traces, *stars],
        "layout": drawing.layout(
            x_axis,
            axis("", range=limits, nticks=5),
            shapes=shapes,
            margin={"l": 40, "r": 12, "t": 10, "b": 24},
        ),
    }
    return Plot(dimension.name, "", figure, 200, legend=(*legend, *star_keys))


def _numeric_axis(dimension: Dimension, values: pd.Series) -> dict[str, Any]:
    """Build an axis over the searched range, extended where a trial lies outside, as the default may."""
    kind = dimension.distribution
    low, high = min(kind.low, float(values.min())), max(kind.high, float(values.max()))
    if kind.log and low > 0:
        margin = (high / low) ** 0.04
        return drawing.log_axis("", low / margin, high * margin, showgrid=False)
    margin = 0.04 * (high - low)
    return axis("", range=[low - margin, high + margin], nticks=6, showgrid=False)


def _jitter_choices(dimension: Dimension, column: pd.Series) -> tuple[pd.Series, dict[str, Any]]:
    """Place choices side by side, each trial a little to the left or right of its choice; with their axis."""
    names = choice_names(dimension)
    column = column.map(format_value)
    column = column[column.isin(names)]
    indices = pd.Series([names.index(name) for name in column], index=column.index, dtype=float)
    labels = [drawing.escape_text(name) for name in names]
    ticks = {"tickvals": list(range(len(names))), "ticktext": labels, "range": [-0.5, len(names) - 0.5]}
    return indices + drawing.jitter(column.index, 0.5), axis("", showgrid=False, **ticks)


def _trend(dimension: Dimension, x: pd.Series, y: pd.Series) -> list[dict[str, Any]]:
    """Draw medians: a bar per choice, or a line over parts of the range with equally many trials."""
    common = {"type": "scatter", "mode": "lines", "name": "median", "hoverinfo": "skip"}
    line = {"color": INK, "width": 2}
    if isinstance(dimension.distribution, CategoricalDistribution):
        medians = y.groupby(x.round()).median()
        return [
            {**common, "x": [choice - 0.3, choice + 0.3], "y": drawing.round_values([value, value]), "line": line}
            for choice, value in zip(medians.index.astype(float), medians, strict=True)
        ]
    if len(x) < MIN_TREND_TRIALS or x.nunique() < 5:
        return []
    parts = pd.qcut(x, min(8, len(x) // 7), duplicates="drop")
    points = pd.DataFrame({"x": x, "y": y}).groupby(parts, observed=True).median()
    return [{**common, "x": drawing.round_values(points["x"]), "y": drawing.round_values(points["y"]), "line": line}]


def _edge_shapes(dimension: Dimension) -> list[dict[str, Any]]:
    """Shade the outer parts of the range."""
    kind = dimension.distribution
    if isinstance(kind, CategoricalDistribution):
        return []
    ends = [(0, EDGE_SHARE), (1 - EDGE_SHARE, 1)]
    box = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "line": {"width": 0}, "layer": "below"}
    return [{**box, "x0": _value_at(dimension, a), "x1": _value_at(dimension, b), "fillcolor": BAND} for a, b in ends]


def _value_at(dimension: Dimension, fraction: float) -> float:
    """Compute the value at a position in the range; the inverse of `position`."""
    low, high = float(dimension.distribution.low), float(dimension.distribution.high)
    value = low * (high / low) ** fraction if dimension.distribution.log else low + (high - low) * fraction
    return float(f"{value:.6g}")


def _default_line(experiment: Experiment, dimension: Dimension) -> list[dict[str, Any]]:
    value = experiment.space.default_params().get(dimension.name)
    if value is None:
        return []
    if isinstance(dimension.distribution, CategoricalDistribution):
        names = choice_names(dimension)
        if format_value(value) not in names:
            return []
        value = names.index(format_value(value))
    line = {"color": DEFAULT, "width": 1.5, "dash": "dash"}
    return [{"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": value, "x1": value, "line": line}]


def _describe_leader(experiment: Experiment, dimension: Dimension, edge: Edge | None) -> str:
    """Describe the leader's and the default's value, and whether the best trials lie at an end of the range."""
    leader = find_leader(experiment)
    value = None if leader is None else experiment.settings[dimension.name].get(leader)
    default = experiment.space.default_params().get(dimension.name)
    name = "best" if leader is None else name_leaders(experiment)[leader]
    if value is None or pd.isna(value):
        text = f"not used by the {name}"
    else:
        text = f"{name} {format_setting(value, 3)}{f', {_describe_edge(edge)}' if edge else ''}"
    return f"{text} · default {format_setting(default, 3)}" if default is not None else text


def _describe_edge(edge: Edge) -> str:
    end = "lower" if edge.end == "low" else "upper"
    phrases = {
        "at": "as are most of the best",
        "near": "most of the best near it",
        "alone": "where most of the best are not",
    }
    return f"at the {end} end, {phrases[edge.press]}"


def _title(edges: list[Edge]) -> str:
    """Tell whether the best trials lie at an end of the searched range."""
    names = [edge.name for edge in edges if edge.press != "alone"]
    if names:
        return f"The best trials lie at an end of the searched range in {', '.join(names)}"
    return "How does each setting move the objective?"
