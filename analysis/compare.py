"""Several runs side by side: `python -m analysis.compare runs=[runs/A,runs/B]`.

Spaces or variants at equal cost: how the best value grew with the cost, where each stood at the total cost of the
cheapest, and whether a difference holds: paired by seed, where runs share search seeds or proofs share fresh ones.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from analysis.frames.experiment import load_all
from analysis.page.blocks import Answers, Block, Note, Page, Section
from analysis.page.comparison import SERIES_COLORS, arm_table, draw_anytime_curves, format_cost, mean_value
from analysis.page.drawing import format_number
from analysis.page.render import render
from analysis.proof.arms import Arm, Pair, compare_arms, group_arms
from analysis.proof.folds import describe_data
from analysis.proof.machines import describe_machines
from analysis.proof.statistics import Gain
from analysis.questions.answer import Answer, Verdict
from trainables.commands import command_help, parse_arguments, run_command
from trainables.files import replace_text
from trainables.settings import Settings, UsageError, setting

USAGE = """
Set runs side by side at equal cost.

  python -m analysis.compare runs=[runs/A,runs/B]
  python -m analysis.compare runs=[runs/A,runs/B,runs/C] cost=seconds to=page.html

Runs of the same space with different seeds, or on different folds of the same data, are one arm, so that it has an
interval; over folds it is corrected for the training images that they share. Cost is counted in epochs, which depend on
no machine; cost=seconds says where the machines of the runs were not alike. Arms are compared where they
maximise or minimise the same metric.
"""


@dataclass(frozen=True, kw_only=True)
class CompareRequest(Settings):
    """The keys of the command line."""

    runs: list = setting(help="folders of the runs, [runs/A,runs/B]")  # noqa: RUF009  (frozen when it is read)
    cost: Literal["epochs", "seconds"] = setting(
        "epochs", "what is equal: the epochs of all trials, or their seconds, which depend on the machine"
    )
    to: str = setting("", "file of the page; empty: compare.html beside the first run", path=True)


@dataclass(frozen=True)
class GoalGroup:
    """Arms with the same metric and direction, which can be compared.

    Attributes:
        equal_cost: the cost that all of them reached.
    """

    arms: tuple[Arm, ...]
    equal_cost: float
    pairs: tuple[Pair, ...] = field(default=())


def main(arguments: list[str]) -> int:
    """Write the page and print the outcome; return the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, CompareRequest))
        return 0
    request = CompareRequest.from_dict(parse_arguments(arguments))
    if len(request.runs) < 2:
        raise UsageError(f"runs={request.runs} is nothing to compare; give at least two: runs=[runs/A,runs/B].")
    runs = load_all(map(str, request.runs))
    empty = [run.name for run in runs if run.best is None]
    if empty:
        raise UsageError(f"{', '.join(empty)} has no trial with a result yet; leave it out, or wait.")
    arms = group_arms(runs, request.cost)
    if len(arms) > len(SERIES_COLORS):
        raise UsageError(f"runs= has {len(arms)} different spaces; compare at most {len(SERIES_COLORS)} at a time.")
    groups = group_by_goal(arms)
    path = Path(request.to) if request.to else runs[0].path.parent / "compare.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, render(build_page(groups)))
    for group in groups:
        print("\n".join(f"  {answer.sentence}" for answer in answer_pairs(group)))
        print("".join(f"  {remark}\n" for arm in group.arms for remark in arm.remarks), end="")
    print("".join(f"  {sentence}\n" for sentence in _compare_machines(arms)), end="")
    print(f"  page:  {path}  ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def group_by_goal(arms: Sequence[Arm]) -> list[GoalGroup]:
    """Group the arms by metric and direction."""
    groups: list[GoalGroup] = []
    for goal in dict.fromkeys(arm.goal for arm in arms):
        members = tuple(arm for arm in arms if arm.goal == goal)
        equal_cost = min(arm.min_cost for arm in members)
        groups.append(GoalGroup(members, equal_cost, tuple(compare_arms(members, equal_cost))))
    return groups


def answer_pairs(group: GoalGroup) -> list[Answer]:
    """Answer which arm of each pair is better."""
    if len(group.arms) == 1:
        metric = group.arms[0].goal.metric
        sentence = f"{group.arms[0].name} is the only one with {metric}, so nothing can be compared with it."
        return [Answer(f"What can be compared by {metric}?", "unknown", sentence)]
    return [_answer(pair, group.equal_cost) for pair in group.pairs]


def build_page(groups: Sequence[GoalGroup]) -> Page:
    """Build the page of a comparison."""
    arms = [arm for group in groups for arm in group.arms]
    sections = [
        Section(f"goal-{index}", f"By {group.arms[0].goal.metric}", _blocks(group))
        for index, group in enumerate(groups)
    ]
    answers = [answer for group in groups for answer in answer_pairs(group)]
    cost = arms[0].cost
    return Page(
        title=" · ".join(arm.name for arm in arms),
        facts=("comparison", f"{sum(len(arm.runs) for arm in arms)} runs", f"at equal cost in {cost}"),
        headline=answers[0].sentence if len(answers) == 1 else f"{len(arms)} spaces at equal cost, pair by pair below.",
        tiles=tuple(
            (
                arm.name,
                format_number(mean_value(arm.values(group.equal_cost))),
                f"{arm.goal.metric} at {format_cost(group.equal_cost, cost)}",
            )
            for group in groups
            for arm in _sort_arms(group)
        ),
        opening=tuple(Note(sentence, "careful") for sentence in _compare_machines(arms)),
        sections=tuple(sections),
        footer=time.strftime("Written by Assay on %d %B %Y at %H:%M."),
    )


def _compare_machines(arms: Sequence[Arm]) -> list[str]:
    """Describe how machines differ, where the cost depends on them."""
    return describe_machines([run for arm in arms for run in arm.runs]) if arms[0].cost == "seconds" else []


# -- one group -------------------------------------------------------------------------------------------------------


def _sort_arms(group: GoalGroup) -> list[Arm]:
    """Sort the arms by their value at equal cost; those without one come last."""
    with_values = [arm for arm in group.arms if arm.values(group.equal_cost)]
    descending = group.arms[0].goal.mode == "max"
    with_values.sort(key=lambda arm: mean_value(arm.values(group.equal_cost)) or 0.0, reverse=descending)
    return [*with_values, *(arm for arm in group.arms if arm not in with_values)]


def _blocks(group: GoalGroup) -> tuple[Block, ...]:
    data = {str(describe_data(arm.runs[0])) for arm in group.arms}
    warning = Note("These runs are on different data, so their values measure different things.", "bad")
    answers = Answers(tuple(answer_pairs(group)))
    details = draw_anytime_curves(group.arms, group.equal_cost), arm_table(group.arms, group.equal_cost)
    return (*([warning] if len(data) > 1 else []), answers, *details)


def _answer(pair: Pair, equal_cost: float) -> Answer:
    """Answer which arm of a pair is better, by the proofs if there are any, else by the searches."""
    first, second, cost = pair.first, pair.second, pair.first.cost
    question = f"{first.name} or {second.name}?"
    values = [format_number(mean_value(arm.values(equal_cost))) for arm in (first, second)]
    after = f"after {format_cost(equal_cost, cost)} each"
    outcome = f"{after}, {first.name} had found {values[0]}, {second.name} {values[1]}"
    if pair.proof_gain is not None:
        sentence = f"With fresh seeds {_describe_gain(pair, pair.proof_gain)} The search itself: {outcome}."
        return Answer(question, _rate(pair.proof_gain), sentence)
    if pair.search_gain is not None:
        count = len(set(first.values(equal_cost)) & set(second.values(equal_cost)))
        units = "folds" if first.has_folds else "search seeds"
        sentence = f"Over {count} {units} {_describe_gain(pair, pair.search_gain)} ({_capitalise(outcome)}.)"
        return Answer(question, _rate(pair.search_gain), sentence)
    if first.folds != second.folds:
        folds = " and ".join(f"{arm.name} on {format_folds(arm.folds)}" for arm in (first, second))
        sentence = f"{_capitalise(outcome)}; {folds} cannot be paired: search both on the same two folds, or more."
        return Answer(question, "unknown", sentence)
    remedy = "search both with the same few seeds, or prove both with python -m analysis.retrain"
    sentence = f"{_capitalise(outcome)}; one seed each cannot tell whether that holds: {remedy}."
    return Answer(question, "unknown", sentence)


def format_folds(folds: Sequence[int]) -> str:
    """Format the folds of an arm: `fold 3`, `folds 0, 1`, or `data without folds`."""
    noun = "fold" if len(folds) == 1 else "folds"
    return f"{noun} {', '.join(map(str, folds))}" if folds else "data without folds"


def _rate(gain: Gain) -> Verdict:
    return "good" if gain.verdict in ("better", "worse") else "careful"


def _describe_gain(pair: Pair, gain: Gain) -> str:
    first, second = pair.first.name, pair.second.name
    outcome = {"better": f"{first} is better", "worse": f"{second} is better"}
    bounds = f"{gain.value:+.3g}, {gain.confidence:.0%} interval {gain.low:+.3g} to {gain.high:+.3g}"
    return f"{outcome.get(gain.verdict, 'neither is clearly better')}: gain of {first} over {second} {bounds}."


def _capitalise(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


if __name__ == "__main__":
    run_command(main)
