"""What all figures share: colours by name, marks of trials, axes, and how much of a large run is drawn."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import Experiment
from analysis.page.blocks import Key, Shape
from analysis.questions.leading import SEARCHED, standing_out

INK, MUTED, LINE, SURFACE = "--ink", "--muted", "--line", "--surface"
BEST, DEFAULT, FAINT, LIMIT, BAND = "--best", "--default", "--faint", "--limit", "--band"
STATUS: dict[str, tuple[str, str, Shape]] = {  # colour, plotly's symbol, the legend's
    "finished": ("--finished", "circle", "dot"),
    "stopped": ("--stopped", "triangle-down", "down"),
    "running": ("--running", "square", "square"),
    "unknown": ("--stopped", "square", "square"),
}
FAILED: tuple[str, str, Shape] = ("--failed", "x-thin", "cross")
CHOSEN: tuple[str, str, Shape, int] = (INK, "circle-open", "ring", 18)
LANDMARKS: dict[str, tuple[str, str, Shape, int]] = {  # colour, plotly's symbol, the legend's, size
    "default": (DEFAULT, "diamond", "diamond", 11),
    SEARCHED: (BEST, "circle-open", "ring", 14),
    "foremost": (BEST, "star", "star", 15),
}
SCALE = [[0.0, "--scale-0"], [0.25, "--scale-1"], [0.5, "--scale-2"], [0.75, "--scale-3"], [1.0, "--scale-4"]]
BROKEN = "hollow: breaks a constraint"
MANY = 400  # trials drawn above which marks are smaller


def layout(x: dict[str, Any], y: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A figure's layout, with room for its axes alone: title, caption and legend are the page's."""
    return {
        "xaxis": x,
        "yaxis": y,
        "font": {"size": 12, "color": MUTED},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 18, "t": 14, "b": 46},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": SURFACE, "bordercolor": LINE, "font": {"color": INK, "size": 12}, "align": "left"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": INK},
        "showlegend": False,
        **more,
    }


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its title and quiet lines."""
    return {
        **({"title": {"text": text(title), "font": {"size": 12, "color": INK}, "standoff": 10}} if title else {}),
        "gridcolor": LINE,
        "linecolor": LINE,
        "zeroline": False,
        "automargin": True,
        **more,
    }


def log_axis(title: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    """A logarithmic axis over a range; its labels are powers of ten, with steps between them where it is short."""
    ends = [float(np.log10(low)), float(np.log10(high))]
    powers = range(int(np.floor(ends[0])), int(np.ceil(ends[1])) + 1)
    shown: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        if len(shown) < 3:
            ticks = [float(f"{10.0**power * step:.3g}") for power in powers for step in steps]
            shown = [tick for tick in ticks if low <= tick <= high]
    labels = [_power(tick) for tick in shown]
    return axis(title, type="log", range=ends, tickvals=shown, ticktext=labels, **more)


def marks(
    name: str, x: Iterable[Any], y: Iterable[float], trials: Sequence[int], mark: tuple[str, str], **more: Any
) -> dict[str, Any]:
    """A trace of trials; `mark` is colour and symbol."""
    color, symbol = mark
    size = more.pop("size", 5 if len(trials) > MANY else 8)
    hollow = symbol.endswith(("-open", "-thin"))
    edge = {"color": color if hollow else SURFACE, "width": 1.5 if hollow else 1 if size > 6 else 0.5}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": rounded(x),
        "y": rounded(y),
        "customdata": [int(trial) for trial in trials],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": color, "symbol": symbol, "size": size, "line": edge, "opacity": more.pop("opacity", 0.9)},
        **more,
    }


def by_status(
    experiment: Experiment, x: pd.Series, y: pd.Series, **more: Any
) -> tuple[list[dict[str, Any]], list[Key]]:
    """Trials as marks by status, those that break a constraint hollow; and their legend, which switches either."""
    known = experiment.trials.loc[y.index]
    traces: list[dict[str, Any]] = []
    legend: list[Key] = []
    for status, (color, symbol, shape) in STATUS.items():
        for feasible in (True, False):
            these = known.index[(known["status"] == status) & ((known["feasible"] != 0) == feasible)]
            if these.empty:
                continue
            mark = (color, symbol if feasible else f"{symbol}-open")
            size = more.get("size", 5 if len(y) > MANY else 8)
            larger = 2 if shape == "down" else 0  # a triangle of the same size looks smaller
            trace = marks(status, x[these], y[these], list(these), mark, size=size + larger, opacity=0.85)
            traces.append(trace if feasible else {**trace, "legendgroup": BROKEN})
            if status not in [key.text for key in legend]:
                legend.append(Key(status, shape, color))
    if any("legendgroup" in trace for trace in traces):
        legend.append(Key(BROKEN, "ring", MUTED))
    return traces, legend


def named(experiment: Experiment) -> list[int]:
    """The trials that are never left out of a sample: the default and those that stand out."""
    default = [] if experiment.default is None else [experiment.default]
    return [*default, *standing_out(experiment)]


def landmarks(experiment: Experiment, x: pd.Series, y: pd.Series) -> tuple[list[dict[str, Any]], list[Key]]:
    """The default and the trials that stand out, above all others; and their legend.

    The star is the proved winner's, or else the best's; beside a winner the search's best has a ring. One without a
    place is left out.
    """
    traces, legend = [], []
    stand_out = standing_out(experiment)
    default = [] if experiment.default is None else [(experiment.default, "default")]
    for trial, name in [*default, *((trial, stand_out[trial]) for trial in reversed(stand_out))]:
        if pd.isna(y.get(trial)) or pd.isna(x.get(trial)):
            continue
        color, symbol, shape, size = LANDMARKS.get(name, LANDMARKS["foremost"])
        said = f"{name} (#{trial})"
        kept = experiment.trials["feasible"][trial] != 0 or symbol.endswith("-open")
        mark = (color, symbol if kept else f"{symbol}-open")
        traces.append(marks(said, [x[trial]], [y[trial]], [trial], mark, size=size, opacity=1.0, cliponaxis=False))
        legend.append(Key(said, shape, color))
    return traces, legend


def view(values: Iterable[float], mode: str) -> tuple[list[float] | None, int]:
    """A range for an axis of objective values, and how many values it leaves out.

    Trials that went wrong can lie far on the worse side; there the range leaves out what is more than six interquartile
    ranges from the median, but no more than three in a hundred.
    """
    known = pd.Series(values, dtype=float).replace([np.inf, -np.inf], np.nan).dropna()
    if known.empty:
        return None, 0
    low, high = float(known.min()), float(known.max())
    quarter, middle, three = known.quantile([0.25, 0.5, 0.75])
    reach = 6 * (three - quarter)
    if reach > 0:
        if mode == "max":
            low = max(low, min(middle - reach, float(known.quantile(0.03, interpolation="higher"))))
        else:
            high = min(high, max(middle + reach, float(known.quantile(0.97, interpolation="lower"))))
    room = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
    return [low - room, high + room], int(((known < low) | (known > high)).sum())


def left_out(count: int) -> str:
    """The caption's words on values beyond an axis."""
    trials = "1 trial lies" if count == 1 else f"{count:,} trials lie"
    return f" {trials} beyond the worse end of the axis; a double click shows all." if count else ""


def sampled(trials: Sequence[int], most: int, always: Collection[int] = ()) -> list[int]:
    """At most so many of the trials, evenly spaced in their order, and all that must be there."""
    if len(trials) <= most:
        return list(trials)
    kept = set(always)
    rest = [trial for trial in trials if trial not in kept]
    places = np.linspace(0, len(rest) - 1, max(most - len(kept), 2)).round().astype(int)
    kept |= {rest[place] for place in places}
    return [trial for trial in trials if trial in kept]


def sample_words(drawn: int, of: int) -> str:
    """The caption's words on a sample."""
    return f" Drawn: {drawn:,} of {of:,} trials, evenly chosen." if drawn < of else ""


def text(value: object) -> str:
    """Text for plotly, which reads tags in what it draws."""
    return html.escape(str(value), quote=False)


def rounded(values: Iterable[Any]) -> list[Any]:
    """Numbers to six digits, as JSON has them: none for what is not finite. Words stay."""
    return [value if isinstance(value, str) else _rounded(value) for value in values]


def number(value: Any, digits: int = 4) -> str:
    """A number as it is shown; a dash where there is none."""
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return "–"
    said = f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
    return said.replace("e-0", "e-")


def aligned(values: Iterable[Any]) -> list[str]:
    """Numbers of one column with the same number of decimals, four digits for the largest."""
    known = list(values)
    largest = max((abs(value) for value in known if np.isfinite(value)), default=1.0) or 1.0
    decimals = min(12, max(0, 3 - int(np.floor(np.log10(largest)))))
    return [f"{value:,.{decimals}f}" if np.isfinite(value) else "–" for value in known]


def _power(value: float) -> str:
    """A tick of a logarithmic axis; small powers of ten alike."""
    if 1e-3 < value < 1e5:
        return f"{value:g}"
    digit, power = f"{value:.0e}".split("e")
    return f"{digit}e{int(power)}"


def _rounded(value: Any) -> float | int | None:
    if value is None or not np.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else float(f"{value:.6g}")
