"""The objective against its definition: violations, feasibility before value, Pareto front."""

import itertools

import numpy as np
import pytest

from trainables.objective import Goal, MissingMetricError, Objective


def objective(mode="max", **more) -> Objective:
    return Objective((Goal("val/a", mode),), **more)


def scored(of: Objective, epoch: int = 1, **metrics: float) -> dict[str, float]:
    report = {"epoch": epoch, **{f"val/{key}": value for key, value in metrics.items()}}
    return {**report, **of.score(report)}


@pytest.mark.parametrize(
    ("bound", "measured", "violation"),
    [(0.2, 0.2, 0.0), (0.2, 0.1, 0.0), (0.2, 0.3, 0.5), (0.2, 1.2, 5.0), (-0.2, -0.1, 0.5)],
)
def test_a_violation_is_a_share_of_its_bound_and_leaves_the_value_alone(bound, measured, violation):
    score = objective(constraints={"val/b": bound}).score({"val/a": 0.9, "val/b": measured})
    assert score["objective/value"] == 0.9
    assert score["objective/violation"] == pytest.approx(violation)
    assert score["objective/feasible"] == float(violation == 0)


def test_slack_in_one_constraint_does_not_pay_for_another():
    of = objective(constraints={"val/b": 1.0, "val/c": 1.0})
    assert of.score({"val/a": 0.0, "val/b": 0.0, "val/c": 1.5})["objective/violation"] == pytest.approx(0.5)


def test_of_epochs_that_violate_the_one_that_does_so_least_is_best():
    of = objective(constraints={"val/b": 0.2})
    assert (
        of.best_report([scored(of, 1, a=0.9, b=0.5), scored(of, 2, a=0.1, b=0.3), scored(of, 3, a=0.2, b=0.4)])["epoch"]
        == 2
    )


@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_feasible_epoch_is_better_than_any_that_is_not(mode):
    of = objective(mode, constraints={"val/b": 0.2})
    good, poor = (1.0, 0.0) if mode == "max" else (0.0, 1.0)
    reports = [scored(of, 1, a=good, b=0.3), scored(of, 2, a=poor, b=0.1)]
    assert of.best_report(reports)["epoch"] == 2


@pytest.mark.parametrize(("mode", "epoch"), [("max", 2), ("min", 1)])
def test_the_best_is_the_earliest_among_equals(mode, epoch):
    of = objective(mode)
    reports = [scored(of, number, a=value) for number, value in enumerate([0.1, 0.5, 0.5, 0.1], start=1)]
    assert of.best_report(reports)["epoch"] == epoch
    assert of.best_report([]) is None


def test_only_the_last_stage_counts_so_that_what_it_spoils_shows():
    of = objective()
    reports = [
        {**scored(of, n, a=value), "train/stage": stage} for n, value, stage in [(1, 0.9, 0), (2, 0.4, 1), (3, 0.6, 1)]
    ]
    assert of.best_report(reports)["epoch"] == 3
    assert of.best_report(reports[:1])["epoch"] == 1
    assert of.improves(reports[1], reports[0])
    assert not of.improves(reports[1], reports[2])


@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_nothing_dominates(seed):
    of = Objective((Goal("val/a", "max"), Goal("val/b", "min")))
    points = np.random.default_rng(seed).integers(0, 5, size=(20, 2)).tolist()

    def beaten(one):
        return any(
            other[0] >= one[0] and other[1] <= one[1] and (other[0] > one[0] or other[1] < one[1]) for other in points
        )

    assert of.front(points) == [index for index, point in enumerate(points) if not beaten(point)]


TWO = (Goal("val/a", "max", 0.1), Goal("val/b", "min"))


def by_definition(goals, points):
    """Choose by the rule with sets and plain comparisons, on points that may dominate each other."""
    left = set(range(len(points)))
    for place, goal in enumerate(goals):
        best = (max if goal.mode == "max" else min)(points[each][place] for each in left)
        room = goal.give_up * abs(best)
        left = {each for each in left if abs(points[each][place] - best) <= room}
    ahead = [each for each in left if not any(dominated(goals, points[each], other) for other in points)]
    return min(ahead)


def dominated(goals, point, by):
    gains = [goal.sign * (other - own) for goal, own, other in zip(goals, point, by, strict=True)]
    return min(gains) >= 0 and max(gains) > 0


@pytest.mark.parametrize("seed", range(40))
def test_the_rule_keeps_what_is_close_to_the_best_goal_by_goal(seed):
    rng = np.random.default_rng(seed)
    shares = [*rng.choice([0.0, 0.125, 0.25, 0.5], size=int(rng.integers(1, 3))), 0.0]
    goals = tuple(Goal(f"val/{place}", rng.choice(["max", "min"]), share) for place, share in enumerate(shares))
    points = rng.integers(-8, 9, size=(25, len(goals))).astype(float).tolist()
    assert Objective(goals).choose(points) == by_definition(goals, points)


def test_the_rule_gives_up_a_share_of_the_first_goal_for_the_second():
    points = [(1.0, 9.0), (0.95, 4.0), (0.9, 3.0), (0.89, 1.0), (0.5, 0.0)]
    assert Objective(TWO).choose(points) == 2
    assert Objective((Goal("val/a"), TWO[1])).choose(points) == 0


def test_of_a_least_negative_best_value_a_share_is_given_up_too():
    assert Objective(TWO).choose([(-1.0, 5.0), (-1.1, 4.0), (-1.2, 3.0)]) == 1
    least = Objective((Goal("val/a", "min", 0.1), Goal("val/b")))
    assert least.choose([(1.0, 1.0), (1.1, 2.0), (1.2, 3.0)]) == 1


def test_without_anything_given_up_the_best_of_the_first_goal_is_chosen_and_of_equals_that_of_the_second():
    of = Objective((Goal("val/a"), Goal("val/b", "min"), Goal("val/c")))
    points = [(1.0, 5.0, 1.0), (2.0, 4.0, 1.0), (2.0, 3.0, 1.0), (2.0, 3.0, 2.0), (2.0, 3.0, 2.0)]
    assert of.choose(points) == 3  # and of points that are the same the earlier
    assert not of.has_tolerance


def test_what_lacks_a_figure_is_not_chosen():
    nan, inf = float("nan"), float("inf")
    assert Objective(TWO).choose([(nan, 0.0), (9.0, nan), (inf, 0.0), (1.0, 1.0), (0.95, 0.5)]) == 4
    assert Objective(TWO).choose([(nan, 0.0)]) is None
    assert Objective(TWO).choose([]) is None


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([0.0, 0.0, 0.0], "the one with the largest a"),
        ([0.0, 0.1, 0.0], "the one with the largest a"),
        ([0.02, 0.0, 0.0], "of those within 2% of the best a, the one with the least b"),
        (
            [0.02, 0.005, 0.0],
            "of those within 2% of the best a, of those within 0.5% of the best b, the one with the largest c",
        ),
    ],
)
def test_the_rule_in_words_says_what_is_given_up(shares, words):
    modes = ("max", "min", "max")
    goals = tuple(Goal(name, mode, share) for name, mode, share in zip("abc", modes, shares, strict=True))
    assert Objective(goals).rule == words
    assert Objective(goals).has_tolerance == any(shares)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_nan_beats_nothing(mode):
    goal = Goal("val/a", mode)
    for value, than in itertools.product([float("nan")], [0.0, float("nan")]):
        assert not goal.is_better(value, than)
        assert not goal.is_better(than, value)


def test_a_constraint_without_a_figure_is_never_kept():
    of = objective(constraints={"val/b": 0.2})
    assert of.score({"val/a": 0.9, "val/b": float("nan")})["objective/feasible"] == 0.0


def test_a_metric_that_is_not_reported_is_named_with_those_that_are():
    with pytest.raises(MissingMetricError, match=r"val/a.*there are health/z, val/c"):
        objective().score({"val/c": 1.0, "train/total": 2.0, "health/z": 0.0})


@pytest.mark.parametrize("share", [0.0, 0.02])
def test_plain_values_are_read_back(share):
    of = Objective((Goal("val/a", give_up=share), Goal("val/b", "min")), {"val/c": 0.1})
    assert Objective.from_dict(of.as_dict()) == of


def test_what_was_written_before_goals_gave_something_up_is_read_and_written_the_same():
    old = {"goals": [{"metric": "val/a", "mode": "max"}, {"metric": "val/b", "mode": "min"}], "constraints": {}}
    assert Objective.from_dict(old).goals == (Goal("val/a"), Goal("val/b", "min"))
    assert Objective.from_dict(old).as_dict() == old


def test_with_several_goals_the_last_epoch_stands_for_a_training_and_with_one_its_best():
    one, two = objective(), Objective(TWO)
    reports = [scored(one, epoch, a=value, b=0.0) for epoch, value in [(1, 0.5), (2, 0.9), (3, 0.7)]]
    assert (one.standing_report(reports)["epoch"], two.standing_report(reports)["epoch"]) == (2, 3)
    assert one.standing_report([]) is None and two.standing_report([]) is None
