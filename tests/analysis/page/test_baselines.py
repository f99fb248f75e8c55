"""Baselines on the page: rows that are no trials, a tile, and lines that lie within the axes."""

import json

import pytest

from analysis import best
from analysis.frames.experiment import load
from analysis.page import figures, opening, ranking
from analysis.questions.headline import headline
from tests.support.pages import without_plotly, write_page
from trainables.baselines import Baselines

ROWS = {"chance": {"val/score": -3.0}, "blobs": {"val/score": 0.5, "val/cost": 0.2}, "ridge": {"val/other": 1.0}}


def with_rows(run, rows):
    Baselines(rows).write(run)
    return load(run)


def test_rows_stand_below_the_trials_and_are_in_no_ranking_or_file(run):
    before = load(run)
    without = ranking.top_table(before)
    experiment = with_rows(run, ROWS)
    table = ranking.top_table(experiment)
    assert [row[0] for row in table.rows] == [*(row[0] for row in without.rows), "chance", "blobs"]
    assert table.rows[-1][table.columns.index("epoch")] == "–"
    assert experiment.ranking == before.ranking


def test_the_csv_of_the_ranking_has_trials_alone_and_the_command_names_the_rows(run, capsys):
    with_rows(run, ROWS)
    assert best.main([f"run={run}"]) == 0
    assert "val/score chance -3 · blobs 0.5" in capsys.readouterr().out
    assert "blobs" not in (run / "best.csv").read_text()


@pytest.mark.parametrize(("value", "is_shown"), [(5.0, True), (-100.0, False)])
def test_a_line_that_is_better_than_all_trials_widens_the_axis_and_one_far_below_is_left_out(run, value, is_shown):
    experiment = with_rows(run, {"blobs": {"val/score": value}})
    for plot in (figures.draw_history(experiment), figures.draw_learning_curves(experiment)):
        names = [trace["name"] for trace in plot.figure["data"]]
        assert ("blobs" in names) == is_shown
        assert ("blobs" in [key.text for key in plot.legend]) == is_shown
        low, high = plot.figure["layout"]["yaxis"]["range"]
        assert (low <= value <= high) == is_shown


def test_the_strongest_row_is_a_tile_beside_the_default(run):
    experiment = with_rows(run, ROWS)
    tiles = {name: (value, remark) for name, value, remark in opening.tiles(experiment, headline(experiment))}
    assert tiles["without a network"] == ("0.5", "val/score, blobs; chance -3")
    assert "without a network" not in [name for name, _, _ in opening.tiles(with_rows(run, {}), headline(experiment))]


def test_the_page_and_its_summary_have_them(run):
    with_rows(run, ROWS)
    page, summary = write_page(run)
    assert "Is it better than a trivial method?" in without_plotly(page)
    assert summary["baselines"]["rows"] == ROWS
    assert "blobs" not in json.dumps(summary["top"])
