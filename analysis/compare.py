"""Several runs side by side: `python -m analysis.compare runs=[runs/A,runs/B]`.

Spaces or variants at equal cost: how the best value grew with what was spent, where each stood when the cheapest was
through, and whether a difference holds: paired by seed, where runs share search seeds or proofs share fresh ones.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from analysis.frames.experiment import load_all
from analysis.page.blocks import Answers, Block, Note, Page, Section
from analysis.page.drawing import number
from analysis.page.render import render
from analysis.page.side_by_side import SERIES, anytime, mean, spent, standing
from analysis.proof.arms import Arm, Pair, arms_of, pairs_of
from analysis.proof.statistics import Interval
from analysis.questions.answer import Answer
from trainables.commands import command, command_help, parse_arguments
from trainables.files import replace_text
from trainables.settings import Settings, UsageError, setting

USAGE = """
Set runs side by side at equal cost.

  python -m analysis.compare runs=[runs/A,runs/B]
  python -m analysis.compare runs=[runs/A,runs/B,runs/C] cost=epochs to=page.html

Runs of the same space with different seeds are one arm, so that it has an interval. Arms are compared where they
maximise or minimise the same metric.
"""


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
            (arm.name, number(mean(arm.values(family.equal))), f"{arm.goal.metric} at {spent(family.equal, cost)}")
            for family in families
            for arm in _best_first(family)
        ),
        first=(),
        sections=tuple(sections),
        foot=time.strftime("Written by Assay on %d %B %Y at %H:%M."),
    )


# -- one family ------------------------------------------------------------------------------------------------------


def _best_first(family: Family) -> list[Arm]:
    """The arms by their value at equal cost; those without one last."""
    known = [arm for arm in family.arms if arm.values(family.equal)]
    better_first = family.arms[0].goal.mode == "max"
    known.sort(key=lambda arm: mean(arm.values(family.equal)) or 0.0, reverse=better_first)
    return [*known, *(arm for arm in family.arms if arm not in known)]


def _blocks(family: Family) -> tuple[Block, ...]:
    data = {str({**arm.runs[0].space.data.as_dict(), "cache": ""}) for arm in family.arms}
    warning = Note("These runs are on different data, so their values measure different things.", "bad")
    said = Answers(tuple(answers(family)))
    shown = anytime(family.arms, family.equal), standing(family.arms, family.equal)
    return (*([warning] if len(data) > 1 else []), said, *shown)


def _answer(pair: Pair, equal: float) -> Answer:
    """The verdict on a pair: that of the proofs before that of the searches."""
    one, other, cost = pair.first, pair.second, pair.first.cost
    question = f"{one.name} or {other.name}?"
    values = [mean(arm.values(equal)) for arm in (one, other)]
    found = (
        f"after {spent(equal, cost)} each, {one.name} had found {number(values[0])}, {other.name} {number(values[1])}"
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


def _cap(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


if __name__ == "__main__":
    command(main)
