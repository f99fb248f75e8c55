"""Arms side by side: the best value of each search by its cost, and their values at equal cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.page import drawing
from analysis.page.blocks import LegendKey, Plot, Table
from analysis.page.drawing import axis, format_number, round_values
from analysis.proof.arms import Arm, student_interval
from analysis.proof.statistics import Interval
from analysis.proof.trajectory import Cost
from analysis.wording import format_count

SERIES_COLORS = tuple(f"--series-{index}" for index in range(6))
CURVE_POINTS = 240  # points of a curve over several seeds


def draw_anytime_curves(arms: Sequence[Arm], equal_cost: float) -> Plot:
    """Draw the best value so far by cost; over several seeds the mean, and their range as a band."""
    goal, unit = arms[0].goal, arms[0].cost
    traces: list[dict[str, Any]] = []
    keys = []
    for color, arm in zip(SERIES_COLORS, arms, strict=False):
        x = np.linspace(0, arm.min_cost, CURVE_POINTS)
        points = [(cost, list(arm.values(cost).values())) for cost in x]
        points = [(cost, values) for cost, values in points if len(values) == len(arm.trajectories)]
        if not points:
            continue
        costs = [cost for cost, _ in points]
        if len(arm.trajectories) > 1:
            low, high = ([extreme(values) for _, values in points] for extreme in (min, max))
            traces += _band(arm.name, costs, low, high, color)
        means = [float(np.mean(values)) for _, values in points]
        line = {"color": color, "width": 2.4, "shape": "hv"}
        hover = f"{drawing.escape_text(arm.name)}: %{{y:.4g}} after %{{x:.4g}}<extra></extra>"
        curve = {"name": arm.name, "x": round_values(costs), "y": round_values(means), "line": line}
        traces.append({"type": "scatter", "mode": "lines", **curve, "hovertemplate": hover})
        keys.append(LegendKey(arm.name, "line", color))
    limit = {"type": "line", "x0": equal_cost, "x1": equal_cost, "y0": 0, "y1": 1, "yref": "paper"}
    shapes = [{**limit, "line": {"color": drawing.LIMIT, "width": 1.5, "dash": "dot"}}]
    x_axis = axis(f"{unit} of training, all trials", rangemode="tozero")
    values = [value for trace in traces for value in trace["y"] if value is not None]
    limits, _ = drawing.axis_range(values, goal.mode)
    figure = {"data": traces, "layout": drawing.layout(x_axis, axis(goal.metric, range=limits), shapes=shapes)}
    caption = (
        f"The best value found so far ({'higher' if goal.mode == 'max' else 'lower'} is better) by the cost of "
        "training. Dotted: the cost that all of them reached, at which they are compared. A band is the range over "
        "search seeds or folds. The best value of one seed is optimistic for all of them alike."
    )
    return Plot("What each search finds for its cost", caption, figure, 400, tuple(keys))


def _band(name: str, x: list[float], low: list[float], high: list[float], color: str) -> list[dict[str, Any]]:
    edge = {"type": "scatter", "mode": "lines", "name": name, "x": round_values(x), "hoverinfo": "skip"}
    line = {"color": color, "width": 0, "shape": "hv"}
    fill = {"fill": "tonexty", "fillcolor": f"{color}-band"}
    return [{**edge, "y": round_values(low), "line": line}, {**edge, "y": round_values(high), "line": line, **fill}]


def arm_table(arms: Sequence[Arm], equal_cost: float) -> Table:
    """Build the table of what each arm spent and reached: at equal cost, at the end, by default, and in its proof."""
    columns: tuple[str, ...] = (
        "space",
        "seeds and folds" if any(arm.has_folds for arm in arms) else "seeds",
        "trials",
        "spent",
        "at equal cost",
        "at the end",
        "default",
        "winner, fresh seeds",
    )
    rows: list[tuple[str, ...]] = []
    for arm in arms:
        defaults = [float(run.trials["value"][0]) for run in arm.runs if run.default is not None]
        rows.append(
            (
                arm.name,
                _list_runs(arm),
                f"{sum(len(run.trials) for run in arm.runs):,}",
                format_cost(arm.min_cost, arm.cost),
                _format_interval(arm.interval(equal_cost)),
                _format_interval(arm.interval(float("inf"))),
                format_number(float(np.mean(defaults))) if defaults else "–",
                _format_interval(student_interval(arm.goal.metric, arm.winner_values)),
            )
        )
    note = "Mean, with Student's 95% interval where there are several seeds."
    if any(arm.winner_values for arm in arms):
        note += " Each winner was chosen by its own values."
    else:
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    if any(arm.has_folds for arm in arms):
        note += " Over folds the interval is wider, because folds share training images (Nadeau and Bengio 2003)."
    note += "".join(f" {remark}." for arm in arms for remark in arm.remarks)
    return Table(columns, tuple(rows), frozenset(columns[2:]), note=note)


def _list_runs(arm: Arm) -> str:
    """List the search seeds of an arm, and its folds where it has several."""
    seeds = ", ".join(dict.fromkeys(str(run.run["seed"]) for run in arm.runs))
    return f"{seeds}; folds {', '.join(map(str, arm.folds))}" if arm.has_folds else seeds


def _format_interval(interval: Interval | None) -> str:
    """Format a value with its bounds on a line of their own, so that all columns fit on a page."""
    if interval is None:
        return "–"
    return (
        format_number(interval.value)
        if np.isnan(interval.low)
        else f"{format_number(interval.value)}\n({format_number(interval.low)} to {format_number(interval.high)})"
    )


def mean_value(values: dict[int, float]) -> float | None:
    """Average the values over seeds; None without any."""
    return float(np.mean(list(values.values()))) if values else None


def format_cost(cost: float, kind: Cost) -> str:
    """Format a cost for people."""
    if kind == "epochs":
        return format_count(round(cost), "epoch")
    return f"{cost / 3600:.2g} h" if cost >= 3600 else f"{cost / 60:.2g} min" if cost >= 60 else f"{cost:.0f} s"
