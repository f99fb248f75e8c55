"""The objective against its definition: violations, feasibility before value, Pareto front."""

import itertools

import numpy as np
import pytest

from trainables.objective import Goal, Objective


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
        of.best([scored(of, 1, a=0.9, b=0.5), scored(of, 2, a=0.1, b=0.3), scored(of, 3, a=0.2, b=0.4)])["epoch"] == 2
    )


@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_feasible_epoch_is_better_than_any_that_is_not(mode):
    of = objective(mode, constraints={"val/b": 0.2})
    good, poor = (1.0, 0.0) if mode == "max" else (0.0, 1.0)
    reports = [scored(of, 1, a=good, b=0.3), scored(of, 2, a=poor, b=0.1)]
    assert of.best(reports)["epoch"] == 2


@pytest.mark.parametrize(("mode", "epoch"), [("max", 2), ("min", 1)])
def test_the_best_is_the_earliest_among_equals(mode, epoch):
    of = objective(mode)
    reports = [scored(of, number, a=value) for number, value in enumerate([0.1, 0.5, 0.5, 0.1], start=1)]
    assert of.best(reports)["epoch"] == epoch
    assert of.best([]) is None


def test_only_the_last_stage_counts_so_that_what_it_spoils_shows():
    of = objective()
    reports = [
        {**scored(of, n, a=value), "train/stage": stage} for n, value, stage in [(1, 0.9, 0), (2, 0.4, 1), (3, 0.6, 1)]
    ]
    assert of.best(reports)["epoch"] == 3
    assert of.best(reports[:1])["epoch"] == 1
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


@pytest.mark.parametrize("mode", ["max", "min"])
def test_nan_beats_nothing(mode):
    goal = Goal("val/a", mode)
    for value, than in itertools.product([float("nan")], [0.0, float("nan")]):
        assert not goal.better(value, than)
        assert not goal.better(than, value)


def test_a_constraint_without_a_figure_is_never_kept():
    of = objective(constraints={"val/b": 0.2})
    assert of.score({"val/a": 0.9, "val/b": float("nan")})["objective/feasible"] == 0.0


def test_a_metric_that_is_not_reported_is_named_with_those_that_are():
    with pytest.raises(KeyError, match=r"'val/a'.*it reports health/z, val/c"):
        objective().score({"val/c": 1.0, "train/total": 2.0, "health/z": 0.0})


def test_plain_values_are_read_back():
    of = Objective((Goal("val/a"), Goal("val/b", "min")), {"val/c": 0.1})
    assert Objective.of(of.as_dict()) == of
