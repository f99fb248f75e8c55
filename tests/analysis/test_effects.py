"""What mattered, on runs in which nothing did."""

import json

import numpy as np
import pytest

from analysis import report
from analysis.importance.estimates import EXPLAINED, Importances, importances, why_none
from analysis.page import effects
from analysis.page.blocks import Note
from analysis.page.render import plots_of
from analysis.report import Findings, analysed, page
from tests.support.drawn import found_importances
from tests.support.written import curve, trial, written

BUDGET = {"trials": 32, "max_epochs": 2, "grace_epochs": 1}


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """32 trials whose objective no setting moves."""
    rng = np.random.default_rng(0)
    trials = [trial([0.1, value], params={"x": x, "y": y}) for x, y, value in rng.random((32, 3)).tolist()]
    return written(tmp_path_factory.mktemp("runs"), trials, budget=BUDGET)


def blocks(found, name="importances"):
    return next(section for section in page(found).sections if section.name == name).blocks


def test_a_run_of_pure_noise_has_its_page(noise):
    assert report.main([f"run={noise.path}"]) == 0
    found = analysed(noise)
    assert found.importances.explained <= 0 and found.importances.table["forest"].isna().all()
    plots = list(plots_of(page(found)))
    assert len(plots) > 4
    for plot in plots:
        json.dumps(plot.figure, allow_nan=False)
    plot, note = blocks(found)
    assert "no better than their mean does" in plot.caption and "0%" not in plot.caption
    assert isinstance(note, Note) and "the forest explains nothing of what differs" in note.sentence


def test_an_axis_has_an_end_even_where_no_estimator_can_tell():
    known = found_importances(9)
    for share, end in ((np.nan, 1.04), (0.0, 1.04), (0.5, 0.52)):
        table = known.table.copy()
        table.loc[:, :] = share
        drawn = effects.importance(Importances(9, 35, table, 0.0))
        assert drawn.figure["layout"]["xaxis"]["range"][1] == pytest.approx(end)
        assert drawn.figure["layout"]["xaxis"]["title"]["text"] == "share of what all settings do"


def test_an_interaction_needs_a_forest_that_explains_something(noise, monkeypatch):
    drawn = []
    monkeypatch.setattr(report, "interaction", lambda *_: drawn.append(1))
    known = importances(noise)
    for explained, expected in ((EXPLAINED - 0.01, []), (EXPLAINED, [1])):
        found = Importances(known.rung, known.trials, known.table, explained)
        monkeypatch.setattr(report, "importances", lambda _, found=found: found)
        said = analysed(noise)
        assert drawn == expected
        assert any(isinstance(block, Note) for block in blocks(said)) == (not expected)


def test_without_importances_the_page_says_the_true_reason(tmp_path):
    few = written(tmp_path / "few", [trial(curve(0.5, 2))] * 5, budget=BUDGET)
    assert importances(few) is None
    assert why_none(few) == "Importances need 30 trials at a common rung; there are 5."
    level = written(tmp_path / "level", [trial([0.5, 0.5])] * 32, budget=BUDGET)
    assert importances(level) is None
    assert why_none(level).startswith("All 32 trials have the same value at epoch 2")
    lost = written(tmp_path / "lost", [trial([0.5, 0.01 * each]) for each in range(32)], budget=BUDGET)
    lost.settings.loc[:9, :] = np.nan
    assert importances(lost) is None
    assert "settings that are known; there are 22 of 32" in why_none(lost)
    (note,) = blocks(Findings(level, analysed(few).headline, [], None, None))
    assert note.sentence == why_none(level)
