"""Which report stands for a trial, which trials may be compared, in which order, and what is said of the others."""

import pytest

from trainables.objective import Goal, Objective
from trainables.standing import (
    choose_trial,
    compare_trials,
    describe_default,
    describe_excluded,
    find_front,
    is_settled,
    reaches,
    stage_name,
    stages_left,
)

ONE = Objective((Goal("val/a"),), {"val/b": 0.5})
TWO = Objective((Goal("val/a", "max", 0.1), Goal("val/c", "min")))
NAN = float("nan")


def scored(of, epoch, a, *, b=0.0, c=0.0, **stage):
    report = {"epoch": epoch, "val/a": a, "val/b": b, "val/c": c, **stage}
    return {**report, **of.score(report)}


def in_stage(index, count, name="", ends=()):
    keys = {
        "stage": name or f"part {index}",
        "train/stage": float(index),
        "train/stages_left": float(count - 1 - index),
    }
    return {**keys, "train/compared_end": float(ends[index])} if ends else keys


def test_a_trial_left_in_an_earlier_stage_is_excluded_however_good_it_looks():
    reports = {
        0: scored(ONE, 18, 0.2, **in_stage(1, 2)),
        1: scored(ONE, 6, 0.9, **in_stage(0, 2, "supervised")),
        2: scored(ONE, 18, 0.3, **in_stage(1, 2)),
        3: None,
    }
    assert compare_trials(ONE, reports, 18) == ([2, 0], {1: "supervised"}, "")


def test_a_trial_that_has_the_last_stage_alone_is_compared_with_those_that_have_several():
    control, other = scored(ONE, 18, 0.3, **in_stage(0, 1)), scored(ONE, 18, 0.4, **in_stage(2, 3))
    assert compare_trials(ONE, {0: control, 1: other}, 18) == ([1, 0], {}, "")


def test_as_long_as_no_trial_is_in_the_last_stage_those_of_the_furthest_are_compared_and_it_is_named():
    reports = {n: scored(ONE, n, a, **in_stage(s, 3)) for n, (a, s) in enumerate([(0.9, 0), (0.1, 1), (0.2, 1)])}
    assert compare_trials(ONE, reports, 9) == ([2, 1], {0: "part 0"}, "part 1")


def test_the_least_violation_counts_first_and_of_equals_the_earlier_trial():
    figures = [(0.9, 0.7), (0.1, 0.5), (0.1, 0.5), (0.8, 0.6)]
    reports = {number: scored(ONE, 1, a, b=b) for number, (a, b) in enumerate(figures)}
    assert compare_trials(ONE, reports, 1).ranking == [1, 2, 3, 0]


def test_reports_of_older_runs_tell_their_stage_by_the_end_of_what_they_are_compared_with():
    old = {"train/stage": 0.0, "train/compared_stage": 0.0, "train/compared_end": 9.0}
    assert (stages_left(old, 18), stages_left(old, 9), stages_left({}, 9)) == (1, 0, 0)
    assert (stage_name(old), stage_name({})) == ("1", "1")


def test_a_report_stands_for_the_epochs_of_its_own_stage_alone():
    report = in_stage(0, 2, ends=(6, 18))
    assert reaches(report, 6) and not reaches(report, 7) and reaches({}, 99)


@pytest.mark.parametrize(
    ("status", "cause", "settled"),
    [
        ("finished", "budget", True),
        ("stopped", "patience", True),
        ("stopped", "health", True),
        ("stopped", "scheduler", False),
        ("failed", "error", False),
        ("running", None, False),
    ],
)
def test_what_used_its_budget_or_ended_itself_is_settled(status, cause, settled):
    assert is_settled(status, cause) is settled


# -- the report that stands for a trial -------------------------------------------------------------------------------


def test_what_has_no_value_is_passed_over_and_a_last_stage_without_one_has_no_standing():
    reports = [scored(ONE, 1, 0.9, **in_stage(0, 2)), scored(ONE, 2, NAN, **in_stage(1, 2))]
    assert ONE.standing_report(reports) is None
    assert ONE.standing_report([*reports, scored(ONE, 3, 0.1, **in_stage(1, 2))])["epoch"] == 3


def test_a_constraint_without_a_number_is_the_worst_violation():
    reports = [scored(ONE, 1, 0.9, b=NAN), scored(ONE, 2, 0.1, b=99.0), scored(ONE, 3, 0.9, b=NAN)]
    assert ONE.standing_report(reports)["epoch"] == 2
    assert ONE.standing_report(reports[::2])["epoch"] == 1


def test_with_several_goals_the_last_epoch_stands_unless_it_lacks_a_goal():
    reports = [scored(TWO, 1, 0.9, c=0.0), scored(TWO, 2, 0.1, c=0.9)]
    assert TWO.standing_report(reports)["epoch"] == 2
    assert TWO.standing_report([*reports, {**reports[0], "epoch": 3, "val/c": NAN}]) is None


# -- several goals ----------------------------------------------------------------------------------------------------


def test_the_front_holds_what_keeps_the_constraints_and_the_choice_is_on_it():
    of = Objective(TWO.goals, {"val/b": 0.5})
    figures = [(1.0, 0.9, 0.0), (0.95, 0.5, 0.0), (0.5, 0.1, 0.0), (0.4, 0.2, 0.0), (9.0, 0.0, 0.9)]
    reports = {n: scored(of, 1, a, b=b, c=c) for n, (a, c, b) in enumerate(figures)}
    assert find_front(of, reports) == [0, 1, 2]
    assert choose_trial(of, {n: reports[n] for n in (2, 0, 1)}) == 1
    assert find_front(of, {4: reports[4]}) == [4]
    assert choose_trial(of, {4: reports[4]}) is None
    assert find_front(of, {}) == []


# -- sentences --------------------------------------------------------------------------------------------------------


def test_violations_are_named_with_figure_and_bound():
    of = Objective((Goal("val/a"),), {"health/coverage_error": 0.03, "health/x": 1.0, "val/b": 0.5})
    report = {"health/coverage_error": 0.0839, "health/x": 1.0, "val/b": 0.5}
    assert of.describe_violations(report) == ["health/coverage_error 0.0839 > 0.03"]
    assert of.describe_violations({**report, "health/coverage_error": 0.0300004}) == [
        "health/coverage_error 0.0300004 > 0.03"
    ]
    unknown = {"health/coverage_error": NAN, "val/b": 0.50001}
    assert of.describe_violations(unknown) == [
        "health/coverage_error is no number (bound 0.03)",
        "health/x is no number (bound 1)",
        "val/b 0.50001 > 0.5",
    ]


def test_trials_that_are_not_compared_are_listed_by_stage():
    assert describe_excluded({}) == ""
    assert (
        describe_excluded({1: "heat", 3: "probe", 4: "heat"}) == "not compared: #1, #4 in stage heat, #3 in stage probe"
    )
    assert describe_excluded(dict.fromkeys(range(9), "heat"), 2) == "not compared: #0, #1 and 7 more in stage heat"
    assert describe_excluded(dict.fromkeys(range(9), "heat"), 0) == "not compared: 9 trials in stage heat"
    assert describe_excluded({1: "heat"}, 0) == "not compared: 1 trial in stage heat"


@pytest.mark.parametrize(
    ("status", "reason", "epochs", "is_compared", "sentence"),
    [
        ("finished", "trained its 9 epochs", 9, True, ""),
        ("running", None, 3, True, ""),
        (
            "stopped",
            "patience: no better val/a for 2 epochs",
            4,
            True,
            "the default stopped itself at epoch 4 of 9 because of patience: no better val/a for 2 epochs",
        ),
        (
            "stopped",
            "health: the line is flat",
            2,
            False,
            "no default to compare with: it was stopped in stage heat at val/a 0.5 because of health: the line is flat",
        ),
        ("running", None, 2, False, "no default to compare with: it is still in stage heat"),
        ("running", None, 0, False, "no default to compare with: it has no result yet"),
        ("failed", "loss became NaN", 2, False, "no default to compare with: it failed: loss became NaN"),
    ],
)
def test_what_a_comparison_with_the_default_must_not_hide_is_said(status, reason, epochs, is_compared, sentence):
    facts = {"epochs": epochs, "budget": 9, "stage": "heat", "figure": "val/a 0.5", "is_compared": is_compared}
    assert describe_default(status, reason, **facts) == sentence
