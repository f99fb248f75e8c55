"""Several runs side by side: `python -m analysis.compare runs=[runs/A,runs/B]`.

Spaces or variants at equal cost: how the best value grew with what was spent, where each stood when the cheapest was
through, and whether a difference holds: paired by seed, where runs share search seeds or proofs share fresh ones.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from analysis.arms import Arm, Cost, Pair, arms_of, interval, pairs_of
from analysis.experiment import load_all
from analysis.page import drawing
from analysis.page.blocks import Answers, Block, Key, Note, Page, Plot, Section, Table
from analysis.page.drawing import axis, number, rounded
from analysis.page.render import render
from analysis.questions.answer import Answer
from analysis.statistics import Interval
from trainables.files import replace_text
from trainables.settings import Settings, UsageError, command, command_help, parse_arguments, setting

USAGE = """
Set runs side by side at equal cost.

  python -m analysis.compare runs=[runs/A,runs/B]
  python -m analysis.compare runs=[runs/A,runs/B,runs/C] cost=epochs to=page.html

Runs of the same space with different seeds are one arm, so that it has an interval. Arms are compared where they
maximise or minimise the same metric.
"""
SERIES = tuple(f"--series-{place}" for place in range(6))
STEPS = 240  # points of a curve over several seeds


@dataclass(frozen=True, kw_only=True)
class Comparison(Settings):
    """The keys of the command line."""

    runs: list = setting(help="folders of the runs, [runs/A,runs/B]")  # noqa: RUF009  (frozen when it is read)
    cost: Literal["seconds", "epochs"] = setting(
        "seconds", "what is equal: seconds of training in all trials, or their epochs"
    )
    to: str = setting("", "file of the page; empty: compare.html beside the first run")


@dataclass(frozen=True)
class Family:
    """Arms that can be compared, for they have the same metric and direction.

    Attributes:
        equal: the cost up to which all of them went.
    """

    arms: tuple[Arm, ...]
    equal: float
    pairs: tuple[Pair, ...] = field(default=())


def main(arguments: list[str]) -> int:
    """Write the page and print the outcome; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Comparison))
        return 0
    comparison = Comparison.of(parse_arguments(arguments))
    if len(comparison.runs) < 2:
        raise UsageError(f"runs={comparison.runs} is nothing to compare; give at least two: runs=[runs/A,runs/B].")
    runs = load_all(map(str, comparison.runs))
    empty = [run.name for run in runs if run.best is None]
    if empty:
        raise UsageError(f"{', '.join(empty)} has no trial with a result yet; leave it out, or wait.")
    arms = arms_of(runs, comparison.cost)
    if len(arms) > len(SERIES):
        raise UsageError(f"runs= has {len(arms)} different spaces; compare at most {len(SERIES)} at a time.")
    families = families_of(arms)
    path = Path(comparison.to) if comparison.to else runs[0].path.parent / "compare.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, render(page(families)))
    for family in families:
        print("\n".join(f"  {each.sentence}" for each in answers(family)))
    print(f"  page:  {path}  ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def families_of(arms: Sequence[Arm]) -> list[Family]:
    """The arms by metric and direction."""
    found: list[Family] = []
    for goal in dict.fromkeys(arm.goal for arm in arms):
        members = tuple(arm for arm in arms if arm.goal == goal)
        equal = min(arm.spent for arm in members)
        found.append(Family(members, equal, tuple(pairs_of(members, equal))))
    return found


def answers(family: Family) -> list[Answer]:
    """What can be said of each pair."""
    if len(family.arms) == 1:
        metric = family.arms[0].goal.metric
        alone = f"{family.arms[0].name} is the only one with {metric}, so nothing can be compared with it."
        return [Answer(f"What is there for {metric}?", "unknown", alone)]
    return [_answer(pair, family.equal) for pair in family.pairs]


def page(families: Sequence[Family]) -> Page:
    """The page of a comparison."""
    arms = [arm for family in families for arm in family.arms]
    sections = [
        Section(f"goal-{place}", f"By {family.arms[0].goal.metric}", _blocks(family))
        for place, family in enumerate(families)
    ]
    first = [each for family in families for each in answers(family)]
    cost = arms[0].cost
    return Page(
        title=" · ".join(arm.name for arm in arms),
        facts=("comparison", f"{sum(len(arm.runs) for arm in arms)} runs", f"at equal cost in {cost}"),
        headline=first[0].sentence if len(first) == 1 else f"{len(arms)} spaces at equal cost, pair by pair below.",
        tiles=tuple(
            (arm.name, number(_mean(arm.values(family.equal))), f"{arm.goal.metric} at {_spent(family.equal, cost)}")
            for family in families
            for arm in family.arms
        ),
        first=(),
        sections=tuple(sections),
        foot=time.strftime("Written by Assay on %d %B %Y at %H:%M."),
    )


# -- one family ------------------------------------------------------------------------------------------------------


def _blocks(family: Family) -> tuple[Block, ...]:
    data = {str({**arm.runs[0].space.data.as_dict(), "cache": ""}) for arm in family.arms}
    warning = Note("These runs are on different data, so their values measure different things.", "bad")
    return (*([warning] if len(data) > 1 else []), Answers(tuple(answers(family))), _curves(family), _table(family))


def _answer(pair: Pair, equal: float) -> Answer:
    """The verdict on a pair: that of the proofs before that of the searches."""
    one, other, cost = pair.first, pair.second, pair.first.cost
    question = f"{one.name} or {other.name}?"
    values = [_mean(arm.values(equal)) for arm in (one, other)]
    found = (
        f"after {_spent(equal, cost)} each, {one.name} had found {number(values[0])}, {other.name} {number(values[1])}"
    )
    if pair.proved is not None:
        said = f"With fresh seeds {_said(pair, pair.proved)} The search itself: {found}."
        return Answer(question, "careful" if pair.proved.verdict == "no better" else "good", said)
    if pair.search is not None:
        said = f"Over {len(set(one.values(equal)) & set(other.values(equal)))} search seeds {_said(pair, pair.search)}"
        return Answer(question, "careful" if pair.search.verdict == "no better" else "good", f"{said} ({_cap(found)}.)")
    missing = "search both with the same few seeds, or prove both with `python -m analysis.retrain`"
    return Answer(question, "unknown", f"{_cap(found)}; one seed each cannot tell whether that holds: {missing}.")


def _said(pair: Pair, by: Interval) -> str:
    bounds = f"gain {by.value:+.3g}, {by.confidence:.0%} interval {by.low:+.3g} to {by.high:+.3g}"
    better = {"better": f"{pair.first.name} is better", "worse": f"{pair.second.name} is better"}
    return f"{better.get(by.verdict, 'neither is better for sure')}: {pair.first.name} {bounds}."


def _curves(family: Family) -> Plot:
    """The best value so far by cost; of several seeds the mean, and their range as a band."""
    goal, cost = family.arms[0].goal, family.arms[0].cost
    end = max(arm.spent for arm in family.arms)
    traces: list[dict[str, Any]] = []
    keys = []
    for color, arm in zip(SERIES, family.arms, strict=False):
        x = np.linspace(0, min(end, arm.spent), STEPS)
        known = [(cost_, list(arm.values(cost_).values())) for cost_ in x]
        known = [(cost_, values) for cost_, values in known if len(values) == len(arm.courses)]
        if not known:
            continue
        shown = [cost_ for cost_, _ in known]
        if len(arm.courses) > 1:
            low, high = ([pick(values) for _, values in known] for pick in (min, max))
            traces += _band(arm.name, shown, low, high, color)
        mean = [float(np.mean(values)) for _, values in known]
        line = {"color": color, "width": 2.4, "shape": "hv"}
        hover = f"{drawing.text(arm.name)}: %{{y:.4g}} after %{{x:.4g}}<extra></extra>"
        drawn = {"name": arm.name, "x": rounded(shown), "y": rounded(mean), "line": line, "hovertemplate": hover}
        traces.append({"type": "scatter", "mode": "lines", **drawn})
        keys.append(Key(arm.name, "line", color))
    limit = {"type": "line", "x0": family.equal, "x1": family.equal, "y0": 0, "y1": 1, "yref": "paper"}
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
    filled = {"fill": "tonexty", "fillcolor": color, "opacity": 0.18}
    return [{**edge, "y": rounded(low), "line": line}, {**edge, "y": rounded(high), "line": line, **filled}]


def _table(family: Family) -> Table:
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
    for arm in family.arms:
        defaults = [float(run.trials["value"][0]) for run in arm.runs if run.default is not None]
        rows.append(
            (
                arm.name,
                ", ".join(str(run.run["seed"]) for run in arm.runs),
                f"{sum(len(run.trials) for run in arm.runs):,}",
                _spent(arm.spent, arm.cost),
                _with_interval(interval(arm.values(family.equal))),
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


def _mean(values: dict[int, float]) -> float | None:
    return float(np.mean(list(values.values()))) if values else None


def _spent(cost: float, kind: Cost) -> str:
    if kind == "epochs":
        return f"{cost:,.0f} epochs"
    return f"{cost / 3600:.2g} h" if cost >= 3600 else f"{cost / 60:.2g} min" if cost >= 60 else f"{cost:.0f} s"


def _cap(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


if __name__ == "__main__":
    command(main)
