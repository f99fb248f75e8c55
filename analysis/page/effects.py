"""What mattered: importances with their intervals, and the interaction of the two most important settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.importance.estimates import Importances
from analysis.importance.interaction import Interaction
from analysis.page import drawing
from analysis.page.blocks import Key, Plot, Shape
from analysis.page.drawing import INK, SURFACE, axis, log_axis
from trainables.settings import plain

ESTIMATORS: tuple[tuple[str, str, str, str, Shape], ...] = (  # column, name, colour, symbol, the legend's
    ("forest", "random forest: the whole range", "--finished", "circle", "dot"),
    ("pedanova", "PED-ANOVA: among the best trials", "--default", "diamond", "diamond"),
)
DRAWN = 300  # trials on the surface of a large run


def importance(found: Importances) -> Plot:
    """A row per setting: each estimator's share with its interval."""
    known_at_all = found.table[[column for column, *_ in ESTIMATORS]].notna().any(axis=1)
    table = found.table[known_at_all].iloc[::-1]  # plotly draws from below
    silent = list(found.table.index[~known_at_all])
    traces, legend = [], []
    for (column, name, color, symbol, shape), shift in zip(ESTIMATORS, (0.13, -0.13), strict=True):
        known = table[table[column].notna()]
        if known.empty:
            continue
        rows = list(table.index)
        places = [rows.index(setting) + shift for setting in known.index]
        traces.append(_intervals(name, known, column, places, (color, symbol)))
        legend.append(Key(name, shape, color))
    names = {"tickvals": list(range(len(table))), "ticktext": [drawing.text(name) for name in table.index]}
    y_axis = axis("", range=[-0.6, len(table) - 0.4], showgrid=False, **names)
    x_axis = axis("share of what all settings do", range=[-0.015, 1.04 * _most(table)], tickformat=".0%")
    figure = {"data": traces, "layout": drawing.layout(x_axis, y_axis)}
    caption = f"From {found.trials:,} trials at epoch {found.rung}; bars are intervals. {_how_to_read(found)}"
    if silent and found.explained > 0:
        caption += f" Too few trials to tell for {', '.join(silent)}."
    return Plot(_importance_title(found), caption, figure, 110 + 34 * len(table), legend=tuple(legend))


def _most(table: pd.DataFrame) -> float:
    """Where the axis ends; an estimator that cannot tell has no end of an interval."""
    ends = table[[f"{column}_high" for column, *_ in ESTIMATORS]].to_numpy(float)
    return float(np.nanmax(ends)) or 1.0 if np.isfinite(ends).any() else 1.0


def _how_to_read(found: Importances) -> str:
    if found.explained <= 0:
        return (
            "A random forest predicts trials that it has not seen no better than their mean does, so nothing is said "
            "of what moves the objective over the whole range: the differences may be noise. PED-ANOVA says what "
            "separates the best trials from the rest, which may be chance as well."
        )
    return (
        f"The forest, which explains {found.explained:.0%} of the variance over trials that it has not seen, says what "
        f"moves the objective anywhere in the range, PED-ANOVA what separates the best trials from the rest; where the "
        f"two disagree, or bars overlap, the order is not settled."
    )


def surface(experiment: Experiment, found: Interaction, rung: int) -> Plot:
    """The predicted objective over two settings, with the trials on it."""
    values = experiment.at(rung).dropna()
    columns = [experiment.settings[name].reindex(values.index) for name in found.names]
    both = values.index[columns[0].notna() & columns[1].notna()]
    order = [trial for trial in experiment.ranked if trial in both]
    drawn = drawing.sampled(order, DRAWN, {*drawing.named(experiment)} & {*order})
    grids = [found.x, found.y]
    x, y = (_places(column.loc[drawn], grid) for column, grid in zip(columns, grids, strict=True))
    axes = [_surface_axis(experiment, name, grid) for name, grid in zip(found.names, grids, strict=True)]
    edge = {"color": INK, "width": 1.2}
    trials = drawing.marks("trials", x, y, drawn, (SURFACE, "circle"), size=7)
    trials["marker"]["line"] = edge
    stars, star_keys = drawing.landmarks(experiment, x, y)
    for star in stars:  # the colours of the surface would swallow theirs
        star["marker"] |= {"color": INK, "line": {"color": SURFACE, "width": 1.5}}
    star_keys = [replace(key, color=INK) for key in star_keys]
    base = _surface(experiment, found, words=any(_words(grid) for grid in grids))
    caption = (
        f"Colour: {experiment.objective.first.metric} at epoch {rung} as a random forest predicts it, the other "
        f"settings averaged over; marks: trials. {found.share:.0%} of what varies here is interaction, which the two "
        f"settings' separate effects do not explain. Far from any mark it is a guess."
        f"{drawing.sample_words(len(drawn), len(order))}"
    )
    layout = drawing.layout(*axes, margin={"l": 60, "r": 10, "t": 14, "b": 50})
    title = f"{found.names[0]} and {found.names[1]} {_together(found.share)}"
    return Plot(
        title,
        caption,
        {"data": [base, trials, *stars], "layout": layout},
        420,
        (Key("trials", "ring", INK), *star_keys),
    )


def _intervals(
    name: str, known: pd.DataFrame, column: str, places: list[float], mark: tuple[str, str]
) -> dict[str, Any]:
    """Shares as marks with their intervals as bars."""
    share = known[column]
    up = (known[f"{column}_high"] - share).clip(lower=0)
    down = (share - known[f"{column}_low"]).clip(lower=0)
    color, symbol = mark
    bars = {"type": "data", "symmetric": False, "array": drawing.rounded(up), "arrayminus": drawing.rounded(down)}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": drawing.rounded(share),
        "y": places,
        "error_x": {**bars, "color": color, "thickness": 2, "width": 0},
        "marker": {"color": color, "symbol": symbol, "size": 10},
        "hovertemplate": f"{name}: %{{x:.0%}}<extra></extra>",
    }


def _importance_title(found: Importances) -> str:
    """The first setting, and whether every estimator's interval for it lies above all others."""
    columns = [column for column, *_ in ESTIMATORS if found.table[column].notna().any()]
    if not columns:
        return "Which settings mattered?"
    first, others = found.table.iloc[0], found.table.iloc[1:]
    clear = all(others.empty or first[f"{column}_low"] > others[f"{column}_high"].fillna(0).max() for column in columns)
    return f"{found.table.index[0]} mattered most" if clear else f"{found.table.index[0]} comes first, but not clearly"


def _together(share: float) -> str:
    return "act together" if share >= 0.2 else "act a little together" if share >= 0.05 else "act on their own"


def _words(grid: list[Any]) -> bool:
    return any(isinstance(value, str | bool) or value is None for value in grid)


def _places(column: pd.Series, grid: list[Any]) -> pd.Series:
    """Trials along an axis: numbers as they are, choices by their place; NaN beyond the surface."""
    if not _words(grid):
        numbers = pd.to_numeric(column, errors="coerce")
        return numbers.where(numbers.between(min(grid), max(grid)))
    names = [plain(value) for value in grid]
    aside = ((column.index.to_numpy() * 0.618034) % 1 - 0.5) * 0.5
    known = column.map(plain)
    return pd.Series([names.index(each) if each in names else np.nan for each in known], column.index) + aside


def _surface_axis(experiment: Experiment, name: str, grid: list[Any]) -> dict[str, Any]:
    if _words(grid):
        names = [drawing.text(plain(value)) for value in grid]
        ticks = {"tickvals": list(range(len(names))), "ticktext": names}
        return axis(name, range=[-0.5, len(names) - 0.5], showgrid=False, **ticks)
    low, high = float(min(grid)), float(max(grid))
    kind = next(each.distribution for each in experiment.space.dimensions if each.name == name)
    if getattr(kind, "log", False) and low > 0:
        return log_axis(name, low, high, showgrid=False)
    return axis(name, range=[low, high], showgrid=False)


def _surface(experiment: Experiment, found: Interaction, *, words: bool) -> dict[str, Any]:
    """A contour over numbers, a heat map where an axis has choices."""
    flip = experiment.objective.first.mode == "min"
    colors = [[place, color] for place, color in drawing.SCALE]
    bar = {"thickness": 10, "outlinewidth": 0, "title": {"text": "", "side": "right"}, "nticks": 6, "len": 0.9}
    common = {
        "x": list(range(len(found.x))) if _words(found.x) else drawing.rounded(found.x),
        "y": list(range(len(found.y))) if _words(found.y) else drawing.rounded(found.y),
        "z": [drawing.rounded(row) for row in found.z],
        "colorscale": colors,
        "reversescale": flip,
        "colorbar": bar,
        "hovertemplate": "predicted %{z:.4g}<extra></extra>",
    }
    if words:
        return {"type": "heatmap", **common}
    return {"type": "contour", "ncontours": 12, "line": {"width": 0.5, "color": drawing.LINE}, **common}
