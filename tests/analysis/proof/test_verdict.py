"""The verdict by several goals: the rule of the space on intervals, against the rule on points."""

import itertools

import pytest

from analysis.proof.statistics import Gain
from analysis.proof.verdict import GoalGain, decide
from trainables.objective import Goal, Objective

FIRST, LAST = Goal("val/ap", give_up=0.1), Goal("val/error", "min")


def entry(goal, value, half, tolerance=0.1):
    return GoalGain(goal, Gain(value, value - half, value + half, smallest=0.2), 0.0, 0.0, tolerance)


@pytest.mark.parametrize(
    ("first", "last", "verdict", "metric"),
    [
        ((0.0, 0.05), (0.5, 0.1), "better", "val/error"),  # a loss above 0.1 is excluded, and the last goal gains
        ((-0.08, 0.05), (0.5, 0.1), "not decided", "val/error"),  # the loss may be 0.13
        ((-0.3, 0.05), (0.5, 0.1), "worse", "val/ap"),  # the loss is clear
        ((0.3, 0.05), (-0.5, 0.1), "better", "val/ap"),  # the default loses more than the tolerance
        ((0.05, 0.1), (-0.5, 0.1), "not decided", "val/error"),  # it may lose more than that
        ((0.0, 0.05), (-0.5, 0.1), "worse", "val/error"),
        ((0.0, 0.05), (0.0, 0.1), "no better", "val/error"),
        ((-0.08, 0.05), (0.0, 0.1), "no better", "val/error"),  # whether it loses or not, it is no better
        ((0.08, 0.05), (0.0, 0.1), "not decided", "val/error"),
        ((0.0, 0.05), (0.1, 0.3), "not decided", "val/error"),
    ],
)
def test_better_takes_a_gain_in_the_deciding_goal_and_no_loss_beyond_the_tolerance(first, last, verdict, metric):
    decision = decide([entry(FIRST, *first), entry(LAST, *last)])
    assert (decision.verdict, decision.goal.metric) == (verdict, metric)


def test_without_a_tolerance_the_first_goal_decides_alone():
    decision = decide([entry(Goal("val/ap"), 0.0, 0.05), entry(LAST, 5.0, 0.1)])
    assert (decision.verdict, decision.goal.metric) == ("no better", "val/ap")


def test_certain_values_are_decided_as_the_rule_chooses():
    goals = Goal("a", give_up=0.1), Goal("b", "min", give_up=0.2), Goal("c")
    objective = Objective(goals)
    values = (0.7, 0.95, 1.0, 1.2)
    for winner in itertools.product(values, repeat=3):
        for default in itertools.product(values, repeat=3):
            gains = [
                GoalGain.of(goal, Gain(gain, gain, gain), here, there)
                for goal, here, there in zip(goals, winner, default, strict=True)
                for gain in [goal.sign * (here - there)]
            ]
            verdict = decide(gains).verdict
            if verdict == "better":
                assert objective.choose([default, winner]) == 1
            elif verdict == "worse":
                assert objective.choose([winner, default]) == 1
            else:
                assert winner[2] == default[2]


def test_a_goal_without_an_interval_proves_nothing():
    nan = float("nan")
    assert decide([GoalGain(FIRST, Gain(nan, nan, nan), 0, 0), entry(LAST, 5, 0.1)]).verdict == "not known"
