"""The objective over one searched setting after the other, at an epoch that all trials shown have reached."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from optuna.distributions import CategoricalDistribution

from analysis.frames.experiment import Experiment
from analysis.page import drawing
from analysis.page.blocks import Grid, Key, Plot
from analysis.page.drawing import BAND, DEFAULT, INK, axis, number
from analysis.questions.edges import EDGE, Edge, found_edges
from analysis.questions.leading import foremost, standing_out
from trainables.settings import plain

if TYPE_CHECKING:
    from search.dimensions import Dimension

DRAWN = 400  # trials in each slice of a large run
TREND = 20  # trials from which a line of medians is drawn


def shared_rung(experiment: Experiment, needed: int) -> int | None:
    """The highest rung with enough trials, or, where none has them, the one with most; None before the first rung."""
    reached = experiment.common_rung(needed)
    if reached is not None or experiment.common_rung(1) is None:
        return reached
    return max(experiment.space.budget.rungs, key=lambda rung: len(experiment.at(rung)))


def slices(experiment: Experiment, rung: int) -> Grid:
    """A small figure per searched setting; trials must have reached the rung."""
    values = experiment.at(rung).dropna()
    order = [trial for trial in experiment.ranked if trial in values.index]
    drawn = drawing.sampled(order, DRAWN, {*drawing.named(experiment)} & {*order})
    limits, beyond = drawing.view(values, experiment.objective.first.mode)
    plots, legend = [], dict[str, Key]()
    edges = {edge.name: edge for edge in found_edges(experiment)}
    for dimension in experiment.space.dimensions:
        plot = _slice(experiment, dimension, values, drawn, limits)
        if plot is not None:
            plots.append(replace(plot, caption=_remark(experiment, dimension, edges.get(dimension.name))))
            legend.update({key.text: key for key in plot.legend})
    caption = (
        f"{experiment.objective.first.metric} at epoch {rung}, where {len(values):,} trials can be compared, over each "
        f"setting; a conditional setting shows only the trials in which it applied. Solid line: median. Dashed "
        f"vertical: the default's value. Shaded: the outer {EDGE:.0%} of the searched range."
        f"{drawing.sample_words(len(drawn), len(order))}{drawing.left_out(beyond)}"
    )
    return Grid(_title(list(edges.values())), caption, tuple(plots), tuple(legend.values()))


def position(dimension: Dimension, value: Any) -> float:
    """Where a value lies in its range, 0 at the lower end and 1 at the upper; choices evenly spaced; else NaN."""
    kind = dimension.distribution
    if isinstance(kind, CategoricalDistribution):
        names = choices(dimension)
        return (names.index(plain(value)) + 0.5) / len(names) if plain(value) in names else float("nan")
    if not isinstance(value, int | float | np.number):  # a damaged record
        return float("nan")
    low, high, value = float(kind.low), float(kind.high), float(value)
    if kind.log:
        low, high, value = float(np.log(low)), float(np.log(high)), float(np.log(value)) if value > 0 else float("nan")
    return (value - low) / (high - low) if high > low else 0.5


def choices(dimension: Dimension) -> list[str]:
    """The names of a setting's choices."""
    return [plain(choice) for choice in dimension.distribution.choices]


def _slice(
    experiment: Experiment, dimension: Dimension, values: pd.Series, drawn: list[int], limits: list[float] | None
) -> Plot | None:
    """One setting; None where no trial drawn has it."""
    column = experiment.settings[dimension.name].reindex(values.index).dropna()
    if isinstance(dimension.distribution, CategoricalDistribution):
        places, x_axis = _strips(dimension, column)
    else:
        places = pd.to_numeric(column, errors="coerce").dropna()
        x_axis = _numeric_axis(dimension, places)
    shown = places.loc[[trial for trial in drawn if trial in places.index]]
    if shown.empty:
        return None
    traces, legend = drawing.by_status(experiment, shown, values.loc[shown.index], size=5 if len(shown) > 60 else 6)
    traces += _trend(dimension, places, values.loc[places.index])
    stars, star_keys = drawing.landmarks(experiment, shown, values)
    shapes = _edges(dimension) + _default_line(experiment, dimension)
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
    """The searched range, and beyond it where a trial lies there, as the default may."""
    kind = dimension.distribution
    low, high = min(kind.low, float(values.min())), max(kind.high, float(values.max()))
    if kind.log and low > 0:
        room = (high / low) ** 0.04
        return drawing.log_axis("", low / room, high * room, showgrid=False)
    room = 0.04 * (high - low)
    return axis("", range=[low - room, high + room], nticks=6, showgrid=False)


def _strips(dimension: Dimension, column: pd.Series) -> tuple[pd.Series, dict[str, Any]]:
    """Choices side by side, each trial a little to the left or right of its choice; and the axis."""
    names = choices(dimension)
    column = column.map(plain)
    column = column[column.isin(names)]
    aside = (column.index.to_numpy() * 0.618034) % 1 - 0.5  # even and the same every time, unlike chance
    places = pd.Series([names.index(name) for name in column], index=column.index, dtype=float) + 0.5 * aside
    labels = [drawing.text(name) for name in names]
    ticks = {"tickvals": list(range(len(names))), "ticktext": labels, "range": [-0.5, len(names) - 0.5]}
    return places, axis("", showgrid=False, **ticks)


def _trend(dimension: Dimension, x: pd.Series, y: pd.Series) -> list[dict[str, Any]]:
    """Medians: a bar per choice, or a line over parts of the range with as many trials each."""
    common = {"type": "scatter", "mode": "lines", "name": "median", "hoverinfo": "skip"}
    line = {"color": INK, "width": 2}
    if isinstance(dimension.distribution, CategoricalDistribution):
        medians = y.groupby(x.round()).median()
        return [
            {**common, "x": [place - 0.3, place + 0.3], "y": drawing.rounded([value, value]), "line": line}
            for place, value in zip(medians.index.astype(float), medians, strict=True)
        ]
    if len(x) < TREND or x.nunique() < 5:
        return []
    parts = pd.qcut(x, min(8, len(x) // 7), duplicates="drop")
    middle = pd.DataFrame({"x": x, "y": y}).groupby(parts, observed=True).median()
    return [{**common, "x": drawing.rounded(middle["x"]), "y": drawing.rounded(middle["y"]), "line": line}]


def _edges(dimension: Dimension) -> list[dict[str, Any]]:
    """The outer parts of the range."""
    kind = dimension.distribution
    if isinstance(kind, CategoricalDistribution):
        return []
    ends = [(0, EDGE), (1 - EDGE, 1)]
    box = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "line": {"width": 0}, "layer": "below"}
    return [{**box, "x0": _value(dimension, a), "x1": _value(dimension, b), "fillcolor": BAND} for a, b in ends]


def _value(dimension: Dimension, place: float) -> float:
    """The value at a place of the range; the inverse of `position`."""
    low, high = float(dimension.distribution.low), float(dimension.distribution.high)
    value = low * (high / low) ** place if dimension.distribution.log else low + (high - low) * place
    return float(f"{value:.6g}")


def _default_line(experiment: Experiment, dimension: Dimension) -> list[dict[str, Any]]:
    value = experiment.space.default_params().get(dimension.name)
    if value is None:
        return []
    if isinstance(dimension.distribution, CategoricalDistribution):
        names = choices(dimension)
        if plain(value) not in names:
            return []
        value = names.index(plain(value))
    line = {"color": DEFAULT, "width": 1.5, "dash": "dash"}
    return [{"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": value, "x1": value, "line": line}]


def _remark(experiment: Experiment, dimension: Dimension, edge: Edge | None) -> str:
    """The winner's or the best trial's value and the default's, and whether the best trials press against an end."""
    first = foremost(experiment)
    value = None if first is None else experiment.settings[dimension.name].get(first)
    default = experiment.space.default_params().get(dimension.name)
    name = "best" if first is None else standing_out(experiment)[first]
    if value is None or pd.isna(value):
        said = f"not used by the {name}"
    else:
        said = f"{name} {_shown(value)}{f', {_at(edge)}' if edge else ''}"
    return f"{said} · default {_shown(default)}" if default is not None else said


def _at(edge: Edge) -> str:
    end = "lower" if edge.end == "low" else "upper"
    others = {"at": "as are most of the best", "near": "most of the best near it", "alone": "alone among the best"}
    return f"at the {end} end, {others[edge.press]}"


def _shown(value: Any) -> str:
    return number(float(value), 3) if isinstance(value, int | float) and not isinstance(value, bool) else plain(value)


def _title(edges: list[Edge]) -> str:
    """Whether the best trials press against ends of what was searched."""
    pressing = [edge.name for edge in edges if edge.press != "alone"]
    if pressing:
        return f"The best trials press against an end of the searched range in {', '.join(pressing)}"
    return "How does each setting move the objective?"
