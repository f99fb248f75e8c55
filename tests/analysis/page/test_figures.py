"""The figures of a page: plotly takes them, and history and curves are what the trials reported."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from analysis.frames.experiment import load
from analysis.importance.interaction import Interaction
from analysis.page import effects, figures, tradeoffs
from analysis.page.render import PAGE_FOLDER
from analysis.page.slices import draw_slices, shared_rung
from tests.support import written
from tests.support.drawn import css_colors, example_importances, marks, replace_colors, trace
from tests.support.simulated import add, board, search


def all_plots(experiment):
    """Draw all figures of a run but those of importances."""
    rung = shared_rung(experiment, 30)
    plots = [
        figures.draw_history(experiment),
        figures.draw_learning_curves(experiment),
        *draw_slices(experiment, rung).plots,
    ]
    return [*plots, tradeoffs.draw_parallel_coordinates(experiment, rung), *tradeoffs.draw_trade_offs(experiment)]


def test_plotly_knows_every_property_in_both_themes(experiment, several):
    rung = shared_rung(experiment, 30)
    words = Interaction(("kind", "x"), ["plain", "shifted"], [0.0, 0.5, 1.0], np.ones((3, 2)), 0.3)
    surface = Interaction(("wrong_epoch", "x"), [1, 30, 999], [0.0, 0.5], np.arange(6.0).reshape(2, 3), 0.01)
    plots = [*all_plots(experiment), *all_plots(several), effects.draw_importances(example_importances(rung))]
    plots += [effects.draw_surface(experiment, interaction, rung) for interaction in (words, surface)]
    light, dark = (PAGE_FOLDER / "page.css").read_text().split("@media screen and (prefers-color-scheme: dark)")
    assert set(css_colors(light)) >= set(css_colors(dark.split("}\n}")[0]))
    for plot in plots:
        assert plot.title and plot.caption
        json.dumps(plot.figure, allow_nan=False)
        for theme in (css_colors(light), {**css_colors(light), **css_colors(dark.split("}\n}")[0])}):
            go.Figure(replace_colors(plot.figure, theme))
        kinds = {item["type"] for item in plot.figure["data"]}
        assert not any("gl" in kind or kind == "parcoords" for kind in kinds)


def test_a_wrong_property_would_be_noticed(experiment):
    figure = figures.draw_history(experiment).figure
    with pytest.raises(ValueError):
        go.Figure(
            replace_colors(
                {**figure, "layout": {**figure["layout"], "xaxxis": {}}},
                css_colors((PAGE_FOLDER / "page.css").read_text()),
            )
        )


def test_the_history_is_each_trials_best_epoch_and_the_best_so_far(experiment):
    plot = figures.draw_history(experiment)
    trials = experiment.trials
    assert {trial for trial, *_ in marks(plot)} == set(trials.index[trials["value"].notna()])
    assert all(y == pytest.approx(trials["value"][trial], rel=1e-5) and x == trial for trial, x, y in marks(plot))
    best, steps = None, {}
    for trial, row in trials.iterrows():  # as one would do it by hand
        rank = (-row["violation"], row["value"])
        if best is None or rank > best:
            best, steps[trial] = rank, row["value"]
    line = trace(plot, "best so far")
    assert line["x"][:-1] == list(steps)
    assert line["y"][:-1] == pytest.approx(list(steps.values()), rel=1e-5)
    assert line["y"][-1] == pytest.approx(trials["value"][experiment.best], rel=1e-5)
    assert trace(plot, "default settings")["y"] == pytest.approx([trials["value"][0]] * 2, rel=1e-5)


@pytest.mark.parametrize(("levels", "count"), [((0.5, 0.9), "1 improvement"), ((0.5, 0.7, 0.9), "2 improvements")])
def test_the_title_of_the_history_counts_the_improvements(tmp_path, levels, count):
    experiment = written.write_run(tmp_path, [written.trial(written.curve(level)) for level in levels])
    title = f"The best was found at trial {len(levels) - 1}, after {count} on the first"
    assert figures.draw_history(experiment).title == title


def test_trials_that_violate_a_constraint_are_hollow(experiment):
    hollow = set()
    for item in figures.draw_history(experiment).figure["data"]:
        if item["mode"] == "markers" and item["marker"]["symbol"].endswith("-open"):
            hollow |= set(item["customdata"])
    assert hollow == set(experiment.trials.index[experiment.trials["feasible"] == 0])
    assert "hollow: violates a constraint" in [key.text for key in figures.draw_history(experiment).legend]
    assert hollow


def test_failed_trials_are_crosses_at_the_edge(tmp_path):
    on = board(tmp_path / "run")
    search(on, seed=0, reports=30)
    failed = add(on, {"x": 0.5, "y": 0.5}, ended="failed", cause="error").number
    plot = figures.draw_history(load(on.folder.path))
    assert trace(plot, "failed")["customdata"] == [failed]
    assert trace(plot, "failed")["y"][0] == pytest.approx(plot.figure["layout"]["yaxis"]["range"][0], rel=1e-5)


def test_curves_are_the_reports_and_stopped_ones_end_in_a_mark(experiment):
    plot = figures.draw_learning_curves(experiment)
    best = experiment.best
    curve = experiment.curve(best)
    assert trace(plot, f"#{best}")["x"] == list(curve.index)
    assert trace(plot, f"#{best}")["y"] == pytest.approx(list(curve), rel=1e-5)
    assert [shape["x0"] for shape in plot.figure["layout"]["shapes"]] == list(experiment.space.budget.rungs)
    ends = trace(plot, "stopped")
    for trial, x, y in zip(ends["customdata"], ends["x"], ends["y"], strict=True):
        assert (x, y) == (experiment.trials["epochs"][trial], pytest.approx(experiment.curve(trial).iloc[-1], rel=1e-5))


def test_of_many_trials_some_are_drawn_and_the_caption_says_so(tmp_path):
    on = board(tmp_path / "run", budget={"trials": 200, "max_epochs": 2, "grace_epochs": 1})
    search(on, seed=0)
    experiment = load(on.folder.path)
    plot = figures.draw_learning_curves(experiment)
    lines = {trial for item in plot.figure["data"] if "lines" in item["mode"] for trial in item["customdata"]} - {-1}
    assert len(lines) <= figures.MAX_CURVES
    assert {*experiment.ranking[:3], 0} <= lines
    assert "Drawn: 60 of 200 trials" in plot.caption
    assert "Drawn" not in figures.draw_history(experiment).caption
    parallel = tradeoffs.draw_parallel_coordinates(experiment, 2)
    assert f"Drawn: {tradeoffs.MAX_LINES} of" in parallel.caption or len(experiment.values_at(2)) <= tradeoffs.MAX_LINES
