"""The objective over single settings."""

import pytest

from analysis.page.slices import draw_slices, position, shared_rung
from tests.support import written
from tests.support.drawn import marks


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


def test_the_caption_counts_the_trials_that_can_be_compared(tmp_path):
    for count, trials in ((1, "1 trial"), (2, "2 trials")):
        experiment = written.write_run(
            tmp_path / str(count), [written.trial(written.curve(0.5 + 0.1 * number)) for number in range(count)]
        )
        assert f"val/score at epoch 9, where {trials} can be compared, over" in draw_slices(experiment, 9).caption


def test_positions_follow_the_scale(experiment):
    dimensions = {dimension.name: dimension for dimension in experiment.space.dimensions}
    assert position(dimensions["x"], 0.25) == 0.25
    assert position(dimensions["wrong_epoch"], 999**0.5) == pytest.approx(0.5)
    assert position(dimensions["kind"], "shifted") == 0.75
