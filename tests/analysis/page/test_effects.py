"""Which settings mattered, also on runs in which none did."""

import json

import numpy as np
import pytest

from analysis import report
from analysis.importance.estimates import (
    MIN_EXPLAINED_VARIANCE,
    Importances,
    estimate_importances,
    explain_missing_importances,
)
from analysis.page import effects
from analysis.page.blocks import Note
from analysis.page.render import list_plots
from analysis.report import Analysis, analyse, build_page
from tests.support.drawn import example_importances
from tests.support.written import curve, trial, write_run

BUDGET = {"trials": 32, "max_epochs": 2, "grace_epochs": 1}


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """32 trials whose objective no setting moves."""
    rng = np.random.default_rng(0)
    trials = [trial([0.1, value], params={"x": x, "y": y}) for x, y, value in rng.random((32, 3)).tolist()]
    return write_run(tmp_path_factory.mktemp("runs"), trials, budget=BUDGET)


def section_blocks(analysis, name="importances"):
    """Return the blocks of a section of the page."""
    return next(section for section in build_page(analysis).sections if section.name == name).blocks


def test_a_run_of_pure_noise_has_its_page(noise):
    assert report.main([f"run={noise.path}"]) == 0
    analysis = analyse(noise)
    assert analysis.importances.explained_variance <= 0 and analysis.importances.table["forest"].isna().all()
    plots = list(list_plots(build_page(analysis)))
    assert len(plots) > 4
    for plot in plots:
        json.dumps(plot.figure, allow_nan=False)
    plot, note = section_blocks(analysis)
    assert "no better than their mean does" in plot.caption and "0%" not in plot.caption
    assert isinstance(note, Note) and "the forest explains nothing of the variance" in note.sentence


def test_importances_are_drawn_with_their_intervals_and_gaps_are_named():
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


def test_an_axis_has_an_end_even_where_no_estimator_can_tell():
    example = example_importances(9)
    for share, end in ((np.nan, 1.04), (0.0, 1.04), (0.5, 0.52)):
        table = example.table.copy()
        table.loc[:, :] = share
        plot = effects.draw_importances(Importances(9, 35, table, 0.0))
        assert plot.figure["layout"]["xaxis"]["range"][1] == pytest.approx(end)
        assert plot.figure["layout"]["xaxis"]["title"]["text"] == "share of the effect of all settings"


def test_an_interaction_needs_a_forest_that_explains_something(noise, monkeypatch):
    calls = []
    monkeypatch.setattr(report, "estimate_interaction", lambda *_: calls.append(1))
    estimate = estimate_importances(noise)
    for variance, expected in ((MIN_EXPLAINED_VARIANCE - 0.01, []), (MIN_EXPLAINED_VARIANCE, [1])):
        importances = Importances(estimate.rung, estimate.trials, estimate.table, variance)
        monkeypatch.setattr(report, "estimate_importances", lambda _, value=importances: value)
        analysis = analyse(noise)
        assert calls == expected
        assert any(isinstance(block, Note) for block in section_blocks(analysis)) == (not expected)


def test_without_importances_the_page_says_the_true_reason(tmp_path):
    few = write_run(tmp_path / "few", [trial(curve(0.5, 2))] * 5, budget=BUDGET)
    assert estimate_importances(few) is None
    assert explain_missing_importances(few) == "Importances need 30 trials at a common rung; there are 5."
    one = write_run(tmp_path / "one", [trial(curve(0.5, 2))], budget=BUDGET)
    assert explain_missing_importances(one) == "Importances need 30 trials at a common rung; there is 1."
    level = write_run(tmp_path / "level", [trial([0.5, 0.5])] * 32, budget=BUDGET)
    assert estimate_importances(level) is None
    assert explain_missing_importances(level).startswith("All 32 trials have the same value at epoch 2")
    incomplete = write_run(tmp_path / "lost", [trial([0.5, 0.01 * number]) for number in range(32)], budget=BUDGET)
    incomplete.settings.loc[:9, :] = np.nan
    assert estimate_importances(incomplete) is None
    assert "known settings; there are 22 of 32" in explain_missing_importances(incomplete)
    (note,) = section_blocks(Analysis(level, analyse(few).headline, [], None, None))
    assert note.sentence == explain_missing_importances(level)
