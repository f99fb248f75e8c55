"""Arms side by side: what each search found for its cost, and where they stood when the cheapest was through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.page import drawing
from analysis.page.blocks import Key, Plot, Table
from analysis.page.drawing import axis, number, rounded
from analysis.proof.arms import Arm, Cost, interval
from analysis.proof.statistics import Interval

SERIES = tuple(f"--series-{place}" for place in range(6))
STEPS = 240  # points of a curve over several seeds


def anytime(arms: Sequence[Arm], equal: float) -> Plot:
    """The best value so far by cost; of several seeds the mean, and their range as a band."""
    goal, cost = arms[0].goal, arms[0].cost
    end = max(arm.spent for arm in arms)
    traces: list[dict[str, Any]] = []
    keys = []
    for color, arm in zip(SERIES, arms, strict=False):
        x = np.linspace(0, min(end, arm.spent), STEPS)
        known = [(cost_, list(arm.values(cost_).values())) for cost_ in x]
        known = [(cost_, values) for cost_, values in known if len(values) == len(arm.courses)]
        if not known:
            continue
        shown = [cost_ for cost_, _ in known]
        if len(arm.courses) > 1:
            low, high = ([pick(values) for _, values in known] for pick in (min, max))
            traces += _band(arm.name, shown, low, high, color)
        middle = [float(np.mean(values)) for _, values in known]
        line = {"color": color, "width": 2.4, "shape": "hv"}
        hover = f"{drawing.text(arm.name)}: %{{y:.4g}} after %{{x:.4g}}<extra></extra>"
        drawn = {"name": arm.name, "x": rounded(shown), "y": rounded(middle), "line": line, "hovertemplate": hover}
        traces.append({"type": "scatter", "mode": "lines", **drawn})
        keys.append(Key(arm.name, "line", color))
    limit = {"type": "line", "x0": equal, "x1": equal, "y0": 0, "y1": 1, "yref": "paper"}
    shapes = [{**limit, "line": {"color": drawing.LIMIT, "width": 1.5, "dash": "dot"}}]
    title = axis(
        "seconds of training, all trials" if cost == "seconds" else "epochs of training, all trials", rangemode="tozero"
    )
    best = [value for trace in traces for value in trace["y"] if value is not None]
    limits, _ = drawing.view(best, goal.mode)
    figure = {"data": traces, "layout": drawing.layout(title, axis(goal.metric, range=limits), shapes=shapes)}
    caption = (
        f"The best value found so far ({'higher' if goal.mode == 'max' else 'lower'} is better) by what was spent on "
        "training. Dotted: the cost up to which all of them went, where they are compared. A band is the range over "
        "search seeds. What one seed finds is optimistic for all of them alike."
    )
    return Plot("What a search finds for its cost", caption, figure, 400, tuple(keys))


def _band(name: str, x: list[float], low: list[float], high: list[float], color: str) -> list[dict[str, Any]]:
    edge = {"type": "scatter", "mode": "lines", "name": name, "x": rounded(x), "hoverinfo": "skip"}
    line = {"color": color, "width": 0, "shape": "hv"}
    filled = {"fill": "tonexty", "fillcolor": f"{color}-band"}
    return [{**edge, "y": rounded(low), "line": line}, {**edge, "y": rounded(high), "line": line, **filled}]


def standing(arms: Sequence[Arm], equal: float) -> Table:
    """What each arm spent and reached: at equal cost, at its end, by default, and proved."""
    columns = (
        "space",
        "search seeds",
        "trials",
        "spent",
        "at equal cost",
        "at its end",
        "default",
        "winner, fresh seeds",
    )
    rows = []
    for arm in arms:
        defaults = [float(run.trials["value"][0]) for run in arm.runs if run.default is not None]
        rows.append(
            (
                arm.name,
                ", ".join(str(run.run["seed"]) for run in arm.runs),
                f"{sum(len(run.trials) for run in arm.runs):,}",
                spent(arm.spent, arm.cost),
                _with_interval(interval(arm.values(equal))),
                _with_interval(interval(arm.values(float("inf")))),
                number(float(np.mean(defaults))) if defaults else "–",
                _with_interval(interval(arm.proved)),
            )
        )
    note = "Mean, with Student's 95% interval where there are several seeds. Each winner was chosen by its own figures."
    return Table(columns, tuple(rows), frozenset(columns[2:]), note=note)


def _with_interval(of: Interval | None) -> str:
    if of is None:
        return "–"
    return number(of.value) if np.isnan(of.low) else f"{number(of.value)} ({number(of.low)} to {number(of.high)})"


def mean(values: dict[int, float]) -> float | None:
    """Of the values by seed; None of none."""
    return float(np.mean(list(values.values()))) if values else None


def spent(cost: float, kind: Cost) -> str:
    """A cost for people."""
    if kind == "epochs":
        return f"{cost:,.0f} epochs"
    return f"{cost / 3600:.2g} h" if cost >= 3600 else f"{cost / 60:.2g} min" if cost >= 60 else f"{cost:.0f} s"
