"""Which settings mattered: importances with their intervals, and the interaction of the two most important settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.importance.estimates import Importances
from analysis.importance.interaction import Interaction
from analysis.page import drawing
from analysis.page.blocks import LegendKey, Plot, Shape
from analysis.page.drawing import INK, SURFACE, axis, log_axis
from trainables.settings import format_value

ESTIMATORS: tuple[tuple[str, str, str, str, Shape], ...] = (  # column, name, colour, symbol, the legend's
    ("forest", "random forest: the whole range", "--finished", "circle", "dot"),
    ("pedanova", "PED-ANOVA: among the best trials", "--default", "diamond", "diamond"),
)
MAX_TRIALS = 300  # trials on the surface of a large run


def draw_importances(importances: Importances) -> Plot:
    """Draw a row per setting: each estimator's share with its interval."""
    has_estimate = importances.table[[column for column, *_ in ESTIMATORS]].notna().any(axis=1)
    table = importances.table[has_estimate].iloc[::-1]  # plotly draws from below
    unknown = list(importances.table.index[~has_estimate])
    traces, legend = [], []
    for (column, name, color, symbol, shape), shift in zip(ESTIMATORS, (0.13, -0.13), strict=True):
        estimates = table[table[column].notna()]
        if estimates.empty:
            continue
        rows = list(table.index)
        y = [rows.index(setting) + shift for setting in estimates.index]
        traces.append(_intervals(name, estimates, column, y, (color, symbol)))
        legend.append(LegendKey(name, shape, color))
    names = {"tickvals": list(range(len(table))), "ticktext": [drawing.escape_text(name) for name in table.index]}
    y_axis = axis("", range=[-0.6, len(table) - 0.4], showgrid=False, **names)
    x_axis = axis("share of the effect of all settings", range=[-0.015, 1.04 * _axis_end(table)], tickformat=".0%")
    figure = {"data": traces, "layout": drawing.layout(x_axis, y_axis)}
    caption = f"From {importances.trials:,} trials at epoch {importances.rung}; bars are intervals. "
    caption += _reading_hint(importances)
    if unknown and importances.explained_variance > 0:
        caption += f" Too few trials to tell for {', '.join(unknown)}."
    return Plot(_importance_title(importances), caption, figure, 110 + 34 * len(table), legend=tuple(legend))


def _axis_end(table: pd.DataFrame) -> float:
    """Choose where the axis ends; an estimator without estimates has no interval."""
    ends = table[[f"{column}_high" for column, *_ in ESTIMATORS]].to_numpy(float)
    return float(np.nanmax(ends)) or 1.0 if np.isfinite(ends).any() else 1.0


def _reading_hint(importances: Importances) -> str:
    if importances.explained_variance <= 0:
        return (
            "A random forest predicts held-out trials no better than their mean does, so it cannot tell which settings "
            "move the objective over the whole range: the differences may be noise. PED-ANOVA shows what separates "
            "the best trials from the rest, which may be chance as well."
        )
    return (
        f"The forest, which explains {importances.explained_variance:.0%} of the variance over held-out trials, shows "
        f"which settings move the objective anywhere in the range, PED-ANOVA which separate the best trials from the "
        f"rest; where the two disagree, or bars overlap, the order is not certain."
    )


def draw_surface(experiment: Experiment, interaction: Interaction, rung: int) -> Plot:
    """Draw the predicted objective over two settings, with the trials on it."""
    values = experiment.values_at(rung).dropna()
    columns = [experiment.settings[name].reindex(values.index) for name in interaction.names]
    complete = values.index[columns[0].notna() & columns[1].notna()]
    order = [trial for trial in experiment.ranking if trial in complete]
    sample = drawing.sample_trials(order, MAX_TRIALS, {*drawing.reference_trials(experiment)} & {*order})
    grids = [interaction.x, interaction.y]
    x, y = (_coordinates(column.loc[sample], grid) for column, grid in zip(columns, grids, strict=True))
    axes = [_surface_axis(experiment, name, grid) for name, grid in zip(interaction.names, grids, strict=True)]
    edge = {"color": INK, "width": 1.2}
    trials = drawing.trial_marks("trials", x, y, sample, (SURFACE, "circle"), size=7)
    trials["marker"]["line"] = edge
    stars, star_keys = drawing.draw_references(experiment, x, y)
    for star in stars:  # their own colours would not stand out on the surface
        star["marker"] |= {"color": INK, "line": {"color": SURFACE, "width": 1.5}}
    star_keys = [replace(key, color=INK) for key in star_keys]
    base = _surface(experiment, interaction, has_choices=any(_has_choices(grid) for grid in grids))
    caption = (
        f"Colour: {experiment.objective.first.metric} at epoch {rung} as a random forest predicts it, the other "
        f"settings averaged over; marks: trials. {interaction.share:.0%} of the variance here is interaction, which "
        f"the two settings' separate effects do not explain. Far from any mark the prediction is a guess."
        f"{drawing.sample_note(len(sample), len(order))}"
    )
    layout = drawing.layout(*axes, margin={"l": 60, "r": 10, "t": 14, "b": 50})
    title = f"{interaction.names[0]} and {interaction.names[1]} {_describe_interaction(interaction.share)}"
    return Plot(
        title,
        caption,
        {"data": [base, trials, *stars], "layout": layout},
        420,
        (LegendKey("trials", "ring", INK), *star_keys),
    )


def _intervals(
    name: str, estimates: pd.DataFrame, column: str, y: list[float], mark: tuple[str, str]
) -> dict[str, Any]:
    """Build a trace of shares as marks with their intervals as bars."""
    share = estimates[column]
    up = (estimates[f"{column}_high"] - share).clip(lower=0)
    down = (share - estimates[f"{column}_low"]).clip(lower=0)
    color, symbol = mark
    bars = {
        "type": "data",
        "symmetric": False,
        "array": drawing.round_values(up),
        "arrayminus": drawing.round_values(down),
    }
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": drawing.round_values(share),
        "y": y,
        "error_x": {**bars, "color": color, "thickness": 2, "width": 0},
        "marker": {"color": color, "symbol": symbol, "size": 10},
        "hovertemplate": f"{name}: %{{x:.0%}}<extra></extra>",
    }


def _importance_title(importances: Importances) -> str:
    """Tell which setting comes first, and whether its intervals lie above those of all others."""
    columns = [column for column, *_ in ESTIMATORS if importances.table[column].notna().any()]
    if not columns:
        return "Which settings mattered?"
    first, rest = importances.table.iloc[0], importances.table.iloc[1:]
    clear = all(rest.empty or first[f"{column}_low"] > rest[f"{column}_high"].fillna(0).max() for column in columns)
    return f"{first.name} mattered most" if clear else f"{first.name} comes first, but not clearly"


def _describe_interaction(share: float) -> str:
    return "interact" if share >= 0.2 else "interact slightly" if share >= 0.05 else "act independently"


def _has_choices(grid: list[Any]) -> bool:
    return any(isinstance(value, str | bool) or value is None for value in grid)


def _coordinates(column: pd.Series, grid: list[Any]) -> pd.Series:
    """Compute the trials' coordinates on an axis: numbers as they are, choices by index; NaN beyond the surface."""
    if not _has_choices(grid):
        numbers = pd.to_numeric(column, errors="coerce")
        return numbers.where(numbers.between(min(grid), max(grid)))
    names = [format_value(value) for value in grid]
    choices = column.map(format_value)
    indices = pd.Series([names.index(choice) if choice in names else np.nan for choice in choices], column.index)
    return indices + drawing.jitter(column.index, 0.5)


def _surface_axis(experiment: Experiment, name: str, grid: list[Any]) -> dict[str, Any]:
    if _has_choices(grid):
        names = [drawing.escape_text(format_value(value)) for value in grid]
        ticks = {"tickvals": list(range(len(names))), "ticktext": names}
        return axis(name, range=[-0.5, len(names) - 0.5], showgrid=False, **ticks)
    low, high = float(min(grid)), float(max(grid))
    kind = next(dimension.distribution for dimension in experiment.space.dimensions if dimension.name == name)
    if getattr(kind, "log", False) and low > 0:
        return log_axis(name, low, high, showgrid=False)
    return axis(name, range=[low, high], showgrid=False)


def _surface(experiment: Experiment, interaction: Interaction, *, has_choices: bool) -> dict[str, Any]:
    """Draw a contour over numbers, a heat map where an axis has choices."""
    flip = experiment.objective.first.mode == "min"
    colors = [[position, color] for position, color in drawing.COLOR_SCALE]
    bar = {"thickness": 10, "outlinewidth": 0, "title": {"text": "", "side": "right"}, "nticks": 6, "len": 0.9}
    common = {
        "x": list(range(len(interaction.x))) if _has_choices(interaction.x) else drawing.round_values(interaction.x),
        "y": list(range(len(interaction.y))) if _has_choices(interaction.y) else drawing.round_values(interaction.y),
        "z": [drawing.round_values(row) for row in interaction.z],
        "colorscale": colors,
        "reversescale": flip,
        "colorbar": bar,
        "hovertemplate": "predicted %{z:.4g}<extra></extra>",
    }
    if has_choices:
        return {"type": "heatmap", **common}
    return {"type": "contour", "ncontours": 12, "line": {"width": 0.5, "color": drawing.LINE}, **common}
