"""The top of a page, which must not contradict the proof, and the trials that stand out in every figure."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.frames.experiment import Experiment
from analysis.page import figures, opening, tradeoffs
from analysis.page.blocks import Commands
from analysis.page.ranking import front_table, top_table
from analysis.page.slices import draw_slices
from analysis.questions.headline import headline
from analysis.questions.leaders import find_leader, name_leaders
from analysis.report import analyse, build_page
from tests.support.written import answer, curve, trial, write_run


def with_proof(experiment: Experiment, winner: int | None, verdict: str = "better") -> Experiment:
    """Add a proof, made by hand, in which this trial wins."""
    default = {"trial": 0, "values": {str(seed): 0.41 for seed in range(1000, 1009)}, "mean": 0.41}
    rows = [{"trial": trial, "values": {"1000": 0.7, "1001": 0.72}, "mean": 0.71} for trial in experiment.ranking[:3]]
    facts = {"verdict": verdict, "metric": "val/score", "mode": "max", "seeds": [1000, 1001], "winner": winner}
    proof = {**facts, "sentence": "The proof's words.", "candidates": rows, "default": default, "test": None}
    return replace(experiment, proof={**proof, "gain": {"value": 0.3, "low": 0.2, "high": 0.4, "confidence": 0.95}})


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Experiment:
    levels = [0.5, 0.6, 0.7, 0.9, 0.65, 0.8, 0.55]
    trials = [trial(curve(level, seed=number)) for number, level in enumerate(levels)]
    return write_run(tmp_path_factory.mktemp("runs"), trials, budget={"trials": 7, "max_epochs": 9, "grace_epochs": 3})


@pytest.mark.parametrize("verdict", ["better", "no better", "worse", "not known"])
def test_with_a_proof_the_page_speaks_of_fresh_seeds_first(searched, verdict):
    experiment = with_proof(searched, 5, verdict)
    top = build_page(analyse(experiment))
    summary = headline(experiment)
    assert summary.sentence == "The proof's words." and "in the search, on one seed (trial #3)" in summary.search
    assert top.headline == "" and top.opening[0].sentence == summary.sentence
    names = [name for name, *_ in top.tiles]
    assert names[:3] == [
        "proved winner" if verdict == "better" else "best candidate",
        "default settings",
        "best in the search, one seed",
    ]
    assert [value for _, value, _ in top.tiles[:2]] == ["0.71", "0.41"]
    assert [remark for *_, remark in top.tiles[:3]] == [
        "val/score, trial 5, mean over 2 fresh seeds",
        "val/score, mean over 9 fresh seeds",
        "val/score, trial 3",
    ]
    assert top.is_success == (verdict == "better")


def test_without_a_winner_the_search_speaks(searched):
    experiment = with_proof(searched, None, "not known")
    assert headline(experiment) == headline(searched)
    assert name_leaders(experiment) == {3: "best"}
    assert build_page(analyse(experiment)).tiles == build_page(analyse(searched)).tiles


def test_every_figure_marks_the_winner_and_the_searchs_best_as_such(searched):
    experiment = with_proof(searched, 5)
    plots = [figures.draw_history(experiment), *draw_slices(experiment, 9).plots]
    for plot in plots:
        by_name = {trace["name"]: trace for trace in plot.figure["data"]}
        assert by_name["winner (#5)"]["marker"]["symbol"] == "star"
        assert by_name["best in the search (#3)"]["marker"]["symbol"] == "circle-open"
        assert "best (#3)" not in by_name
    for plot in (figures.draw_learning_curves(experiment), tradeoffs.draw_parallel_coordinates(experiment, 9)):
        assert {"winner (#5)", "best in the search (#3)"} <= {trace["name"] for trace in plot.figure["data"]}
    assert figures.draw_learning_curves(experiment).title.startswith("The winner passed")
    leaders = name_leaders(with_proof(searched, 3))
    assert leaders == {3: "winner"} and find_leader(experiment) == 5


def test_the_winner_stands_out_in_the_table_whatever_its_rank(tmp_path, searched):
    table = top_table(with_proof(searched, 5))
    (bold,) = table.bold_rows
    assert table.rows[bold][0] == "#5 (winner)" and "feasible" not in table.columns
    many = write_run(tmp_path, [trial(curve(0.5 + 0.02 * number)) for number in range(16)])
    far = with_proof(many, 13)
    far.proof["winner"], far.proof["candidates"][0]["trial"] = 1, 1
    table = top_table(far)
    (bold,) = table.bold_rows
    assert table.rows[bold][0] == "#1 (winner)" and len(table.rows) == 12  # the default, ten, and the winner


def test_where_all_failed_nothing_is_to_be_proved(tmp_path):
    experiment = write_run(tmp_path, [trial([], ended="failed", reason="no memory")] * 3)
    (note,) = opening.opening_blocks(experiment)
    assert (note.sentence.startswith("All 3 trials have failed"), "Failures" in note.sentence) == (True, True)
    assert note.verdict == "bad"


def test_a_default_that_nothing_beats_is_not_to_be_proved(tmp_path):
    experiment = write_run(tmp_path, [trial(curve(0.9)), trial(curve(0.5))])
    (note,) = opening.opening_blocks(experiment)
    assert note.sentence.startswith("No trial beats the default settings") and "search elsewhere" in note.sentence
    (commands,) = [
        block for block in build_page(analyse(experiment)).sections[-1].blocks if isinstance(block, Commands)
    ]
    assert not any("analysis.retrain" in command for _, command in commands.commands)
    alone = write_run(tmp_path / "alone", [trial(curve(0.9))])
    assert opening.opening_blocks(alone)[0].sentence.startswith("Only the default settings have a result yet")


def test_a_single_result_is_described_as_one(tmp_path):
    trials = [trial([], ended="failed"), trial(curve(0.5))]
    experiment = write_run(tmp_path, trials, budget={"trials": 2, "max_epochs": 9, "grace_epochs": 3})
    assert opening.opening_blocks(experiment)[0].sentence.startswith("Trial 1 is the only one with a result, on one")
    one = write_run(tmp_path / "one", trials[1:], budget={"trials": 1, "max_epochs": 9, "grace_epochs": 3})
    assert opening.describe_progress(headline(one)) == "finished, 1 trial"
    assert opening.describe_progress(headline(experiment)) == "finished, 2 trials"
    waiting = write_run(tmp_path / "none", [], budget={"trials": 1, "max_epochs": 9, "grace_epochs": 3})
    assert opening.describe_progress(headline(waiting)) == "0 of 1 trial so far: still running, or interrupted"


def test_the_front_has_a_table_of_all_goals_and_the_settings_that_differ(tmp_path):
    goals = [{"metric": "val/score"}, {"metric": "val/cost", "mode": "min"}]
    points = np.random.default_rng(0).random((20, 2)).round(2).tolist()
    trials = [trial([score] * 9, cost=cost) for score, cost in points]
    experiment = write_run(tmp_path, trials, objective=goals, scheduler={"kind": "none"})
    table = front_table(experiment)
    assert table.columns[:3] == ("trial", "val/score", "val/cost") and "x" in table.columns
    assert {int(row[0].strip("#").replace("default", "0")) for row in table.rows} == set(experiment.front)
    scores = [float(row[1]) for row in table.rows]
    assert scores == sorted(scores, reverse=True)
    whole = build_page(analyse(experiment))
    assert next(section for section in whole.sections if section.name == "goals").blocks[-1] == table
    assert (
        "by val/score, the first of 2 goals" in whole.opening[0].sentence and "the first of 2 goals" in whole.headline
    )
    assert [command.split()[-1] for _, command in whole.opening[1].commands] == ["goal=val/score", "goal=val/cost"]


def test_reasons_that_differ_in_numbers_are_one_kind_everywhere(tmp_path):
    reasons = ["lost 1,024 MiB", "lost 2,048 MiB", "lost 3e+4 MiB"]
    failed = [trial([], ended="failed", reason=reason) for reason in reasons]
    experiment = write_run(tmp_path, [trial(curve(0.5)), trial(curve(0.6)), *failed])
    assert "3 of them like #2" in answer(experiment, "Did trials fail").sentence
    (row,) = build_page(analyse(experiment)).sections[-3].blocks[0].rows
    assert row[1] == "3"
