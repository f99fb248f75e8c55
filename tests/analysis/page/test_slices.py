"""The objective over single settings, and which of them mattered."""

import pytest

from analysis.page import effects
from analysis.page.slices import draw_slices, position, shared_rung
from tests.support.drawn import example_importances, marks, search_run


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return search_run(tmp_path_factory.mktemp("runs") / "one", constraints={"val/cost": 0.6})


def test_a_slice_shows_the_trials_at_the_rung_where_the_setting_applied(experiment):
    rung = shared_rung(experiment, 30)
    values = experiment.values_at(rung)
    grid = draw_slices(experiment, rung)
    assert [plot.title for plot in grid.plots] == [dimension.name for dimension in experiment.space.dimensions]
    for plot in grid.plots:
        if plot.title == "kind":
            continue
        column = experiment.settings[plot.title].reindex(values.index).dropna()
        assert {trial for trial, *_ in marks(plot)} == set(column.index)
        for trial, x, y in marks(plot):
            assert (x, y) == pytest.approx((column[trial], values[trial]), rel=1e-5)
    by_name = {plot.title: plot for plot in grid.plots}
    assert by_name["wrong_epoch"].figure["layout"]["xaxis"]["type"] == "log"
    assert by_name["kind"].figure["layout"]["xaxis"]["ticktext"] == ["plain", "shifted"]
    for trial, x, _ in marks(by_name["kind"]):
        assert ["plain", "shifted"][round(x)] == experiment.settings["kind"][trial]
    bands = [shape for shape in by_name["x"].figure["layout"]["shapes"] if shape["type"] == "rect"]
    assert [(band["x0"], band["x1"]) for band in bands] == [(0.0, 0.05), (0.95, 1.0)]
    default = [shape["x0"] for shape in by_name["x"].figure["layout"]["shapes"] if shape["type"] == "line"]
    assert default == [experiment.space.entry.Config().x]


def test_positions_follow_the_scale(experiment):
    dimensions = {dimension.name: dimension for dimension in experiment.space.dimensions}
    assert position(dimensions["x"], 0.25) == 0.25
    assert position(dimensions["wrong_epoch"], 999**0.5) == pytest.approx(0.5)
    assert position(dimensions["kind"], "shifted") == 0.75


def test_importances_are_drawn_with_their_intervals_and_gaps_are_named(experiment):
    plot = effects.draw_importances(example_importances(9))
    forest, pedanova = plot.figure["data"]
    assert forest["x"] == [0.2, 0.5]  # from below
    assert forest["error_x"]["array"] == pytest.approx([0.05, 0.2])
    assert forest["error_x"]["arrayminus"] == pytest.approx([0.1, 0.2])
    assert pedanova["x"] == [0.4]
    assert plot.figure["layout"]["yaxis"]["ticktext"] == ["y", "x"]
    assert "Too few trials to tell for shift." in plot.caption
    assert plot.title == "x mattered most"
    close = example_importances(9)
    close.table.loc["x", "forest_low"] = 0.2
    assert effects.draw_importances(close).title == "x comes first, but not clearly"
