"""Chance and trivial methods on a page: rows below the best trials, and lines in the figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analysis.frames.experiment import Experiment
from analysis.page.blocks import LegendKey, Shape, Table
from analysis.page.drawing import LIMIT, SECONDARY, format_number, round_values
from analysis.questions.baselines import read_baselines
from trainables.baselines import CHANCE

NOTE = " Below the trials, as no trials: what chance and methods without a network reach on the same images."


def add_rows(table: Table, experiment: Experiment) -> Table:
    """Add a row for each baseline that has one of the table's metrics."""
    rows = tuple(
        tuple(_format_cell(column, name, row) for column in table.columns)
        for name, row in read_baselines(experiment.path).rows.items()
        if not row.keys().isdisjoint(table.columns)
    )
    return replace(table, rows=table.rows + rows, note=table.note + NOTE) if rows else table


def extend_limits(experiment: Experiment, limits: list[float] | None) -> list[float] | None:
    """Extend the axis of the objective to the strongest row where that is beyond its better end."""
    goal, baselines = experiment.objective.first, read_baselines(experiment.path)
    name = baselines.strongest(goal)
    if name is None or limits is None:
        return limits
    low, high = limits
    value, margin = baselines.rows[name][goal.metric], 0.06 * (high - low)
    return [low, max(high, value + margin)] if goal.mode == "max" else [min(low, value - margin), high]


def draw_lines(
    experiment: Experiment, ends: tuple[float, float], limits: list[float] | None
) -> tuple[list[dict[str, Any]], list[LegendKey]]:
    """Draw chance and the strongest other row as horizontal lines, where they lie within the axis; with their legend.

    Args:
        experiment: of the figure.
        ends: of the lines on the other axis.
        limits: of the axis of the objective; None: it shows all.
    """
    goal, baselines = experiment.objective.first, read_baselines(experiment.path)
    values = baselines.values(goal.metric)
    best = max((name for name in values if name != CHANCE), key=lambda name: goal.sign * values[name], default=None)
    styles: dict[str | None, tuple[str, str, Shape]] = {
        CHANCE: (SECONDARY, "dot", "dots"),
        best: (LIMIT, "dash", "dash"),
    }
    traces, legend = [], []
    for name, (color, dash, shape) in styles.items():
        if name is None or name not in values or not _is_within(values[name], limits):
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": list(ends),
                "y": round_values([values[name]] * 2),
                "hovertemplate": f"{name} %{{y:.4g}}<extra></extra>",
                "line": {"color": color, "dash": dash, "width": 1.5},
            }
        )
        legend.append(LegendKey(name, shape, color))
    return traces, legend


def _is_within(value: float, limits: list[float] | None) -> bool:
    return limits is None or limits[0] <= value <= limits[1]


def _format_cell(column: str, name: str, row: dict[str, float] | Any) -> str:
    if column == "trial":
        return name
    return format_number(row[column]) if column in row else "–"
