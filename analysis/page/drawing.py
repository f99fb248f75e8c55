"""Elements shared by all figures: colours by name, marks of trials, axes, and samples of large runs."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.page.blocks import LegendKey, Shape
from analysis.questions.leaders import SEARCH_BEST, name_leaders
from analysis.wording import format_count, inflect

INK, SECONDARY, LINE, SURFACE = "--ink", "--muted", "--line", "--surface"
BEST, DEFAULT, FAINT, LIMIT, BAND = "--best", "--default", "--faint", "--limit", "--band"
STATUS_MARKS: dict[str, tuple[str, str, Shape]] = {  # colour, plotly's symbol, the legend's
    "finished": ("--finished", "circle", "dot"),
    "stopped": ("--stopped", "triangle-down", "down"),
    "running": ("--running", "square", "square"),
    "unknown": ("--stopped", "square", "square"),
}
FAILED_MARK: tuple[str, str, Shape] = ("--failed", "x-thin", "cross")
CHOICE_MARK: tuple[str, str, Shape, int] = (INK, "circle-open", "ring", 18)
REFERENCE_MARKS: dict[str, tuple[str, str, Shape, int]] = {  # colour, plotly's symbol, the legend's, size
    "default": (DEFAULT, "diamond", "diamond", 11),
    SEARCH_BEST: (BEST, "circle-open", "ring", 14),
    "leader": (BEST, "star", "star", 15),
}
COLOR_SCALE = [[0.0, "--scale-0"], [0.25, "--scale-1"], [0.5, "--scale-2"], [0.75, "--scale-3"], [1.0, "--scale-4"]]
INFEASIBLE_LABEL = "hollow: violates a constraint"
MANY_TRIALS = 400  # trials above which marks are smaller


def layout(x: dict[str, Any], y: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Build a figure's layout, with margins for its axes alone: title, caption and legend are the page's."""
    return {
        "xaxis": x,
        "yaxis": y,
        "font": {"size": 12, "color": SECONDARY},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 18, "t": 14, "b": 46},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": SURFACE, "bordercolor": LINE, "font": {"color": INK, "size": 12}, "align": "left"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": SECONDARY, "activecolor": INK},
        "showlegend": False,
        **options,
    }


def axis(title: str, **options: Any) -> dict[str, Any]:
    """Build an axis with its title and unobtrusive grid lines."""
    label = {"title": {"text": escape_text(title), "font": {"size": 12, "color": INK}, "standoff": 10}}
    return {
        **(label if title else {}),
        "gridcolor": LINE,
        "linecolor": LINE,
        "zeroline": False,
        "automargin": True,
        **options,
    }


def log_axis(title: str, low: float, high: float, **options: Any) -> dict[str, Any]:
    """Build a logarithmic axis over a range; ticks are powers of ten, with steps in between on a short range."""
    ends = [float(np.log10(low)), float(np.log10(high))]
    powers = range(int(np.floor(ends[0])), int(np.ceil(ends[1])) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        if len(ticks) < 3:
            candidates = [float(f"{10.0**power * step:.3g}") for power in powers for step in steps]
            ticks = [tick for tick in candidates if low <= tick <= high]
    labels = [_format_tick(tick) for tick in ticks]
    return axis(title, type="log", range=ends, tickvals=ticks, ticktext=labels, **options)


def trial_marks(
    name: str, x: Iterable[Any], y: Iterable[float], trials: Sequence[int], mark: tuple[str, str], **options: Any
) -> dict[str, Any]:
    """Build a trace of trials as marks; `mark` is colour and symbol."""
    color, symbol = mark
    size = options.pop("size", 5 if len(trials) > MANY_TRIALS else 8)
    hollow = symbol.endswith(("-open", "-thin"))
    edge = {"color": color if hollow else SURFACE, "width": 1.5 if hollow else 1 if size > 6 else 0.5}
    opacity = options.pop("opacity", 0.9)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": round_values(x),
        "y": round_values(y),
        "customdata": [int(trial) for trial in trials],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "color": color,
            "symbol": symbol,
            "size": size,
            "line": edge,
            "opacity": opacity,
        },
        **options,
    }


def draw_by_status(
    experiment: Experiment, x: pd.Series, y: pd.Series, **options: Any
) -> tuple[list[dict[str, Any]], list[LegendKey]]:
    """Draw trials as marks by status, infeasible ones hollow; with a legend that switches either."""
    trials = experiment.trials.loc[y.index]
    traces: list[dict[str, Any]] = []
    legend: list[LegendKey] = []
    for status, (color, symbol, shape) in STATUS_MARKS.items():
        for feasible in (True, False):
            members = trials.index[(trials["status"] == status) & ((trials["feasible"] != 0) == feasible)]
            if members.empty:
                continue
            mark = (color, symbol if feasible else f"{symbol}-open")
            size = options.get("size", 5 if len(y) > MANY_TRIALS else 8)
            larger = 2 if shape == "down" else 0  # a triangle of the same size looks smaller
            trace = trial_marks(status, x[members], y[members], list(members), mark, size=size + larger, opacity=0.85)
            traces.append(trace if feasible else {**trace, "legendgroup": INFEASIBLE_LABEL})
            if status not in [key.text for key in legend]:
                legend.append(LegendKey(status, shape, color))
    if any("legendgroup" in trace for trace in traces):
        legend.append(LegendKey(INFEASIBLE_LABEL, "ring", SECONDARY))
    return traces, legend


def reference_trials(experiment: Experiment) -> list[int]:
    """List the trials that every sample keeps: the default and the leaders."""
    default = [] if experiment.default is None else [experiment.default]
    return [*default, *name_leaders(experiment)]


def draw_references(experiment: Experiment, x: pd.Series, y: pd.Series) -> tuple[list[dict[str, Any]], list[LegendKey]]:
    """Draw the default and the leaders above all other trials; with their legend.

    The star marks the proof's winner, or else the best trial; beside a winner the search's best has a ring. A trial
    without coordinates is omitted.
    """
    traces, legend = [], []
    leaders = name_leaders(experiment)
    default = [] if experiment.default is None else [(experiment.default, "default")]
    for trial, name in [*default, *((trial, leaders[trial]) for trial in reversed(leaders))]:
        if pd.isna(y.get(trial)) or pd.isna(x.get(trial)):
            continue
        color, symbol, shape, size = REFERENCE_MARKS.get(name, REFERENCE_MARKS["leader"])
        label = f"{name} (#{trial})"
        solid = experiment.trials["feasible"][trial] != 0 or symbol.endswith("-open")
        mark = (color, symbol if solid else f"{symbol}-open")
        traces.append(
            trial_marks(label, [x[trial]], [y[trial]], [trial], mark, size=size, opacity=1.0, cliponaxis=False)
        )
        legend.append(LegendKey(label, shape, color))
    return traces, legend


def axis_range(values: Iterable[float], mode: str) -> tuple[list[float] | None, int]:
    """Choose a range for an axis of objective values, and count the values that it omits.

    Trials that went wrong can lie far on the worse side; there the range omits values more than six interquartile
    ranges from the median, but at most 3 % of them.
    """
    finite = pd.Series(values, dtype=float).replace([np.inf, -np.inf], np.nan).dropna()
    if finite.empty:
        return None, 0
    low, high = float(finite.min()), float(finite.max())
    lower_quartile, median, upper_quartile = finite.quantile([0.25, 0.5, 0.75])
    reach = 6 * (upper_quartile - lower_quartile)
    if reach > 0:
        if mode == "max":
            low = max(low, min(median - reach, float(finite.quantile(0.03, interpolation="higher"))))
        else:
            high = min(high, max(median + reach, float(finite.quantile(0.97, interpolation="lower"))))
    margin = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
    return [low - margin, high + margin], int(((finite < low) | (finite > high)).sum())


def outlier_note(count: int) -> str:
    """Build the caption's sentence on values beyond an axis."""
    trials = f"{format_count(count, 'trial')} {inflect(count, 'lies', 'lie')}"
    return f" {trials} beyond the worse end of the axis; a double click shows all." if count else ""


def sample_trials(trials: Sequence[int], limit: int, always: Collection[int] = ()) -> list[int]:
    """Sample at most `limit` trials, evenly spaced in their order, and all of `always`."""
    if len(trials) <= limit:
        return list(trials)
    sample = set(always)
    rest = [trial for trial in trials if trial not in sample]
    indices = np.linspace(0, len(rest) - 1, max(limit - len(sample), 2)).round().astype(int)
    sample |= {rest[index] for index in indices}
    return [trial for trial in trials if trial in sample]


def jitter(trials: Iterable[int], width: float) -> np.ndarray:
    """Compute offsets by trial number within a width about 0, so that marks of the same choice do not overlap."""
    # multiples of the golden ratio are spread evenly however many there are, and are the same every time
    offsets: np.ndarray = ((np.array(list(trials), int) * 0.618034) % 1 - 0.5) * width
    return offsets


def sample_note(count: int, total: int) -> str:
    """Build the caption's sentence on a sample."""
    return f" Drawn: {count:,} of {total:,} trials, evenly chosen." if count < total else ""


def escape_text(value: object) -> str:
    """Escape text for plotly, which reads tags in its labels."""
    return html.escape(str(value), quote=False)


def round_values(values: Iterable[Any]) -> list[Any]:
    """Round numbers to six digits for JSON: None where not finite. Strings stay."""
    return [value if isinstance(value, str) else _round_value(value) for value in values]


def format_number(value: Any, digits: int = 4) -> str:
    """Format a number; a dash where there is none."""
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
    return text.replace("e-0", "e-")


def format_column(values: Iterable[Any]) -> list[str]:
    """Format the numbers of one column with the same number of decimals, four digits for the largest."""
    numbers = list(values)
    largest = max((abs(value) for value in numbers if np.isfinite(value)), default=1.0) or 1.0
    decimals = min(12, max(0, 3 - int(np.floor(np.log10(largest)))))
    return [f"{value:,.{decimals}f}" if np.isfinite(value) else "–" for value in numbers]


def _format_tick(value: float) -> str:
    """Format a tick of a logarithmic axis; small powers of ten alike."""
    if 1e-3 < value < 1e5:
        return f"{value:g}"
    digit, power = f"{value:.0e}".split("e")
    return f"{digit}e{int(power)}"


def _round_value(value: Any) -> float | int | None:
    """Round a number to six digits; None where it is not finite."""
    if value is None or not np.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else float(f"{value:.6g}")
