"""Several things at once: all settings of a trial as one line, and what one goal costs in another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import CategoricalDistribution

from analysis.frames.experiment import Experiment
from analysis.page import drawing
from analysis.page.blocks import Key, Plot
from analysis.page.drawing import BEST, CHOSEN, DEFAULT, FAINT, INK, LIMIT, MUTED, SURFACE, axis, number
from analysis.page.slices import choices, position
from analysis.questions.leading import SEARCHED, standing_out

LINES = 150  # trials among the parallel coordinates
DRAWN = 1000  # trials of a large run against two goals
PARTS = (FAINT, FAINT, "--scale-1", "--scale-2", "--scale-3")
OFF = 1.09  # where a setting that does not apply is passed, its range being 0 to 1


def parallel(experiment: Experiment, rung: int) -> Plot:
    """Each trial as a line from setting to setting, the best in front; trials must have reached the rung."""
    values = experiment.at(rung).dropna()
    dimensions = [each for each in experiment.space.dimensions if each.name in experiment.settings]
    order = values.sort_values(ascending=experiment.objective.first.mode == "max").index.to_list()  # worst first
    drawn = drawing.sampled(order, LINES, {order[-1]})
    rows = {each.name: place for place, each in enumerate(reversed(dimensions))}
    places = pd.DataFrame({each.name: _places(experiment, each, drawn) for each in dimensions}, index=drawn)
    traces = []
    parts = np.array_split(np.array(drawn), len(PARTS)) if len(drawn) >= len(PARTS) else [np.array(drawn)]
    for place, part in enumerate(parts):
        color = PARTS[place] if len(parts) > 1 else PARTS[-1]
        traces.append(_lines(f"fifth {place + 1}", places.loc[part], rows, color, 1 if place < len(parts) - 1 else 1.5))
    legend = [Key("worst fifth", "line", PARTS[0]), Key("best fifth", "line", PARTS[-1])]
    for trial, name, color, width in _in_front(experiment):
        own = pd.DataFrame({each.name: _places(experiment, each, [trial]) for each in dimensions}, index=[trial])
        traces.append(_lines(f"{name} (#{trial})", own, rows, color, width))
        legend.append(Key(f"{name} (#{trial})", "line", color))
    hidden = {"visible": False, "fixedrange": True}
    shapes, labels = _rails(dimensions, rows)
    figure = {
        "data": traces,
        "layout": drawing.layout(
            {**hidden, "range": [-0.03, 1.14]},
            {**hidden, "range": [-0.55, len(rows) - 0.3]},
            shapes=shapes,
            annotations=labels,
            margin={"l": 8, "r": 8, "t": 8, "b": 8},
        ),
    }
    caption = (
        f"Each line is a trial, crossing every setting at its value; coloured by fifths of "
        f"{experiment.objective.first.metric} at epoch {rung}. At “off” pass the trials in which a setting does not "
        f"apply.{drawing.sample_words(len(drawn), len(order))}"
    )
    return Plot("Which combinations went with good results?", caption, figure, 40 + 52 * len(rows), tuple(legend))


def trade_offs(experiment: Experiment) -> list[Plot]:
    """The first goal against every other, or, of a single goal, against every constrained metric; there may be none."""
    objective = experiment.objective
    others = [goal.metric for goal in objective.goals[1:]] or list(objective.constraints)
    return [_trade_off(experiment, metric) for metric in others if metric != objective.first.metric]


def _trade_off(experiment: Experiment, metric: str) -> Plot:
    objective = experiment.objective
    trials, when = (experiment.latest, "last") if objective.several else (experiment.trials, "best")
    first = objective.first
    known = trials[[first.metric, metric]].dropna().index
    modes = {goal.metric: goal.mode for goal in objective.goals}
    bound = objective.constraints.get(metric)
    members = experiment.front if objective.several else []
    drawn = drawing.sampled(list(known), DRAWN, {*members, *drawing.named(experiment)} & {*known})
    x, y = trials[metric].loc[drawn].astype(float), trials[first.metric].loc[drawn]
    traces, legend = drawing.by_status(experiment, x, y)
    stars, star_keys = drawing.landmarks(experiment, x, y)
    if objective.several:
        traces.append(_front(experiment, metric))
        legend.insert(0, Key("Pareto front", "line" if len(objective.goals) == 2 else "dot", BEST))
        ring, ring_key = _chosen(experiment, metric)
        stars, star_keys = [*stars, *ring], [*star_keys, *ring_key]
    limits, beyond = drawing.view(trials[first.metric].loc[known], first.mode)
    across, aside = drawing.view(
        [*trials[metric].loc[known], *([bound] if bound is not None else [])], modes.get(metric, "min")
    )
    shapes, labels = _bound(bound) if bound is not None else ([], [])
    figure = {
        "data": [*traces, *stars],
        "layout": drawing.layout(
            axis(metric, range=across), axis(first.metric, range=limits), shapes=shapes, annotations=labels
        ),
    }
    caption = f"Each mark is a trial at its {when} epoch.{_how_to_read(experiment)}"
    caption += f"{drawing.sample_words(len(drawn), len(known))}{drawing.left_out(max(beyond, aside))}"
    return Plot(
        _trade_title(experiment, metric, len(known), members), caption, figure, 380, legend=(*legend, *star_keys)
    )


def _in_front(experiment: Experiment) -> list[tuple[int, str, str, float]]:
    """The trials with lines of their own: number, name, colour and width, the foremost last."""
    default = [] if experiment.default is None else [(experiment.default, "default", DEFAULT, 3.5)]
    named = [
        (trial, name, INK if name == SEARCHED else BEST, 2.5 if name == SEARCHED else 3.5)
        for trial, name in standing_out(experiment).items()
    ]
    return [*default, *reversed(named)]


def _places(experiment: Experiment, dimension: Any, trials: list[int]) -> list[float]:
    """Where trials cross a setting; `OFF` where it does not apply."""
    column = experiment.settings[dimension.name].reindex(trials)
    found = [OFF if pd.isna(value) else _within(position(dimension, value)) for value in column]
    if isinstance(dimension.distribution, CategoricalDistribution):
        aside = ((np.array(trials) * 0.618034) % 1 - 0.5) * 0.3 / len(choices(dimension))
        return [place if place == OFF else place + float(shift) for place, shift in zip(found, aside, strict=True)]
    return found


def _within(place: float) -> float:
    """A default may lie beyond the range; it is drawn just outside."""
    return OFF if np.isnan(place) else min(1.02, max(-0.02, place))


def _lines(name: str, places: pd.DataFrame, rows: dict[str, int], color: str, width: float) -> dict[str, Any]:
    """Many trials as one trace, with gaps between them."""
    names = list(rows)[::-1]
    x: list[float | None] = []
    y: list[float | None] = []
    trials: list[int] = []
    for trial, row in zip(places.index, places[names].to_numpy(), strict=True):
        x += [*drawing.rounded(row), None]
        y += [*(rows[each] for each in names), None]
        trials += [int(trial)] * (len(names) + 1)
    line = {"color": color, "width": width}
    template = "%{text}<extra></extra>"
    common = {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": line}
    return {**common, "customdata": trials, "hovertemplate": template, "opacity": 1 if width > 2 else 0.75}


def _rails(dimensions: list[Any], rows: dict[str, int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A horizontal line per setting with its name and its ends."""
    shapes, labels = [], []
    base = {"showarrow": False, "yanchor": "bottom", "yshift": 3, "bgcolor": SURFACE, "borderpad": 1}
    for dimension in dimensions:
        y, kind = rows[dimension.name], dimension.distribution
        rail = {"type": "line", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": {"color": MUTED, "width": 1}}
        shapes.append({**rail, "layer": "below"})
        log = "  log" if getattr(kind, "log", False) else ""
        name = {"text": f"<b>{drawing.text(dimension.name)}</b>{log}", "font": {"size": 12, "color": INK}}
        labels.append({**base, **name, "x": 0, "y": y, "xanchor": "left", "yshift": 14})
        if isinstance(kind, CategoricalDistribution):
            ends = [((place + 0.5) / len(kind.choices), each) for place, each in enumerate(choices(dimension))]
        else:
            ends = [(0.0, number(float(kind.low))), (1.0, number(float(kind.high)))]
        if dimension.when:
            ends.append((OFF, "off"))
        for x, said in ends:
            anchor = "left" if x == 0 else "right" if x == 1 else "center"
            small = {"text": drawing.text(said), "font": {"size": 11, "color": MUTED}, "xanchor": anchor}
            labels.append({**base, **small, "x": x, "y": y, "yanchor": "top", "yshift": -3})
    return shapes, labels


def _front(experiment: Experiment, metric: str) -> dict[str, Any]:
    """The front's members; of two goals they lie on a line, of more they do not."""
    first = experiment.objective.first.metric
    line = experiment.latest.loc[experiment.front, [metric, first]].sort_values([metric, first])
    trials = [int(trial) for trial in line.index]
    trace = drawing.marks("Pareto front", line[metric], line[first], trials, (BEST, "circle"), size=8)
    if len(experiment.objective.goals) > 2:
        return trace
    return {**trace, "mode": "lines+markers", "line": {"color": BEST, "width": 2}}


def _chosen(experiment: Experiment, metric: str) -> tuple[list[dict[str, Any]], list[Key]]:
    """A ring about the trial that is chosen of the front, and its legend; nothing where there is none."""
    trial = experiment.chosen
    if trial is None:
        return [], []
    name, (color, symbol, shape, size) = f"chosen (#{trial})", CHOSEN
    place = experiment.latest.loc[[trial]]
    x, y = place[metric], place[experiment.objective.first.metric]
    return [drawing.marks(name, x, y, [trial], (color, symbol), size=size, opacity=1.0)], [Key(name, shape, color)]


def _bound(bound: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The line beyond which a constraint is broken."""
    line = {"color": LIMIT, "width": 1.5, "dash": "dash"}
    shape = {"type": "line", "x0": bound, "x1": bound, "y0": 0, "y1": 1, "yref": "paper", "line": line}
    label = {"x": bound, "y": 1, "yref": "paper", "text": f"≤ {bound:g}", "xanchor": "right", "yanchor": "top"}
    return [shape], [{**label, "showarrow": False, "xshift": -4, "font": {"color": LIMIT, "size": 12}}]


def _how_to_read(experiment: Experiment) -> str:
    if not experiment.objective.several:
        return " Left of the dashed line the constraint is kept."
    goals = len(experiment.objective.goals)
    place = "both goals than a trial on the line" if goals == 2 else f"all {goals} goals than one of the front"
    return f" Nothing that was trained to its end is better in {place}; see the table."


def _trade_title(experiment: Experiment, metric: str, known: int, members: list[int]) -> str:
    if experiment.objective.several:
        goals = experiment.objective.goals
        names = f"{goals[0].metric} and {metric}" if len(goals) == 2 else f"all {len(goals)} goals"
        return f"{len(members)} of {known:,} trials are on the front of {names}"
    bound = experiment.objective.constraints[metric]
    kept = int((experiment.trials[metric] <= bound).sum())
    return f"{kept:,} of {known:,} trials keep {metric} ≤ {bound:g}"
