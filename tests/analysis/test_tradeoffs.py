"""Whole combinations, Pareto fronts and constraints."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from drawn import GOALS, searched, trace

from analysis.page import tradeoffs
from analysis.page.slices import position, shared_rung


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return searched(tmp_path_factory.mktemp("runs") / "one", constraints={"val/cost": 0.6})


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return searched(tmp_path_factory.mktemp("runs") / "two", objective=GOALS, scheduler={"kind": "none"})


def test_parallel_lines_cross_every_setting_at_its_place(experiment):
    rung = shared_rung(experiment, 30)
    plot = tradeoffs.parallel(experiment, rung)
    line = next(each for each in plot.figure["data"] if each["name"].startswith("best ("))
    own = experiment.settings.loc[experiment.best]
    for dimension, x in zip(experiment.space.dimensions, line["x"], strict=False):
        value = own[dimension.name]
        if dimension.name != "kind":
            expected = tradeoffs.OFF if pd.isna(value) else position(dimension, value)
            assert x == pytest.approx(expected, rel=1e-5)
    trials = {trial for each in plot.figure["data"] for trial in each["customdata"]}
    assert trials == {*experiment.at(rung).index, experiment.best, 0}


@pytest.mark.parametrize("modes", [["max", "min"], ["min", "min", "max"]])
def test_the_front_is_the_objectives_own(several, modes):
    chance = np.random.default_rng(0)
    points = pd.DataFrame(chance.integers(0, 12, size=(300, len(modes))).astype(float))
    goals = tuple(replace(several.objective.first, mode=mode) for mode in modes)
    oracle = replace(several.objective, goals=goals)
    assert tradeoffs.front(points, modes) == oracle.front(points.to_numpy().tolist())


def test_the_front_of_a_run_is_drawn_through_trials_that_nothing_beats(several):
    (plot,) = tradeoffs.trade_offs(several)
    line = trace(plot, "Pareto front")
    points = several.trials[["val/score", "val/cost"]]
    chosen = several.objective.front(points.to_numpy().tolist())
    expected = sorted((points["val/cost"].iloc[place], points["val/score"].iloc[place]) for place in chosen)
    assert list(zip(line["x"], line["y"], strict=True)) == [pytest.approx(pair, rel=1e-5) for pair in expected]
    assert plot.title.startswith(f"{len(chosen)} of {len(points)} trials")


def test_a_constraint_is_drawn_with_its_bound(experiment):
    (plot,) = tradeoffs.trade_offs(experiment)
    assert [shape["x0"] for shape in plot.figure["layout"]["shapes"]] == [0.6]
    kept = int((experiment.trials["val/cost"] <= 0.6).sum())
    assert plot.title == f"{kept} of {len(experiment.trials)} trials keep val/cost ≤ 0.6"
