"""Whole combinations, Pareto fronts and constraints."""

import numpy as np
import pandas as pd
import pytest

from analysis.page import tradeoffs
from analysis.page.slices import position, shared_rung
from tests.support.drawn import GOALS, trace
from tests.support.written import trial, write_run


def test_parallel_lines_cross_every_setting_at_its_position(experiment):
    rung = shared_rung(experiment, 30)
    plot = tradeoffs.draw_parallel_coordinates(experiment, rung)
    line = next(trace for trace in plot.figure["data"] if trace["name"].startswith("best ("))
    settings = experiment.settings.loc[experiment.best]
    for dimension, x in zip(experiment.space.dimensions, line["x"], strict=False):
        value = settings[dimension.name]
        if dimension.name != "kind":
            expected = tradeoffs.OFF_POSITION if pd.isna(value) else position(dimension, value)
            assert x == pytest.approx(expected, rel=1e-5)
    trials = {trial for trace in plot.figure["data"] for trial in trace["customdata"]}
    assert trials == {*experiment.values_at(rung).index, experiment.best, 0}


def test_the_front_of_a_run_is_drawn_through_trials_that_nothing_beats(several):
    (plot,) = tradeoffs.draw_trade_offs(several)
    line = trace(plot, "Pareto front")
    points = several.trials[["val/score", "val/cost"]]
    members = several.front
    assert sorted(line["customdata"]) == members
    expected = sorted((points["val/cost"][trial], points["val/score"][trial]) for trial in members)
    assert list(zip(line["x"], line["y"], strict=True)) == [pytest.approx(pair, rel=1e-5) for pair in expected]
    assert plot.title.startswith(f"{len(members)} of {len(points)} trials")


def test_of_three_goals_the_members_are_those_of_all_three(tmp_path):
    goals = [*GOALS, {"metric": "train/total", "mode": "min"}]
    chance = np.random.default_rng(1).random((30, 3)).round(2)
    trials = [trial([score] * 9, cost=cost, loss=loss) for score, cost, loss in chance.tolist()]
    experiment = write_run(tmp_path, trials, objective=goals, scheduler={"kind": "none"})
    plots = tradeoffs.draw_trade_offs(experiment)
    assert len(plots) == 2
    for plot in plots:
        front = trace(plot, "Pareto front")
        assert sorted(front["customdata"]) == experiment.front and front["mode"] == "markers"
        assert plot.title == f"{len(experiment.front)} of 30 trials are on the front of all 3 goals"


def test_a_single_trial_on_the_front_or_within_the_bound_is_counted_as_one(tmp_path):
    trials = [trial([0.5] * 9, cost=0.5), trial([0.9] * 9, cost=0.1)]
    several = write_run(tmp_path / "front", trials, objective=GOALS, scheduler={"kind": "none"})
    assert tradeoffs.draw_trade_offs(several)[0].title == "1 of 2 trials is on the front of val/score and val/cost"
    bounded = write_run(tmp_path / "bound", trials, constraints={"val/cost": 0.2})
    assert tradeoffs.draw_trade_offs(bounded)[0].title == "1 of 2 trials keeps val/cost ≤ 0.2"
    alone = write_run(tmp_path / "alone", trials[1:], constraints={"val/cost": 0.2})
    assert tradeoffs.draw_trade_offs(alone)[0].title == "1 of 1 trial keeps val/cost ≤ 0.2"


def test_a_constraint_is_drawn_with_its_bound(experiment):
    (plot,) = tradeoffs.draw_trade_offs(experiment)
    assert [shape["x0"] for shape in plot.figure["layout"]["shapes"]] == [0.6]
    feasible = int((experiment.trials["val/cost"] <= 0.6).sum())
    assert plot.title == f"{feasible} of {len(experiment.trials)} trials keep val/cost ≤ 0.6"
