"""A run with stages: every place that ranks leaves out what was stopped before the last stage, and says so."""

import pytest

from analysis import compare
from analysis.best import rank_trials
from analysis.export import choose
from analysis.frames.experiment import load
from analysis.page import figures, opening, ranking, tradeoffs
from analysis.page.tables import hover_texts
from analysis.proof.trajectory import trajectory
from analysis.questions.evidence import gather
from analysis.questions.headline import headline
from analysis.report import analyse
from analysis.retrain import plan_trainings
from analysis.summary import summary
from search.console import card
from search.request import Run
from search.status import StatusLine, trials_table
from tests.support.simulated import reopened
from tests.support.written import answer, curve, trial, write_run
from trainables.stages import Stage

PARTS = (Stage("supervised", 3), Stage("selftrain", 9))
WHOLE = (Stage("supervised", 9),)
EARLY = [0.90, 0.95, 0.99]  # looks better than whatever comes after the border
PATIENCE = "patience: no better val/score for 2 epochs"
COLLAPSE = "health: it is stuck: raise lr."


def staged(level, **facts):
    """Describe a trial that passes the border, where its value falls to a level that means something else."""
    return trial([*EARLY, *curve(level, 6, seed=int(100 * level))], parts=PARTS, **facts)


STOPPED = trial(EARLY, parts=PARTS, reason="not among the best 1/3 at epoch 3")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Write a default, a better trial, a control of one stage, and one stopped in the first with the best value."""
    control = trial(curve(0.3), parts=WHOLE)
    return write_run(tmp_path_factory.mktemp("staged"), [staged(0.5), staged(0.6), control, STOPPED])


def test_every_place_has_the_same_best_and_leaves_out_what_was_stopped_in_the_first_stage(run):
    value = run.reports[(run.reports["trial"] == 1) & (run.reports["epoch"] > 3)]["val/score"].max()
    board = reopened(run.path)
    assert run.ranking == [1, 0, 2] == board.ranking()
    assert (run.best, run.choice, board.best(), choose(run, None, None).trial) == (1, 1, 1, 1)
    assert headline(run).best == value == trajectory(run, "epochs").iloc[-1]
    assert ranking.top_trials(run).index.tolist() == [1, 0, 2]
    assert {training.origin for training in plan_trainings(run, 3, 1, None)} == {"default", "trial 1", "trial 2"}
    frame = rank_trials(run)
    assert frame.index.tolist() == [1, 0, 2, 3] and frame["compared"].tolist() == [True, True, True, False]
    assert frame["stage"].tolist() == ["selftrain", "selftrain", "supervised", "supervised"]
    note = "stopped in stage supervised (not among the best 1/3 at epoch 3); not compared"
    assert frame["note"].tolist() == ["", "", "", note]
    assert f"best trial #1   val/score {value:.4g} at epoch" in card(board, board.folder)
    assert "not compared: #3 in stage supervised" in card(board, board.folder)
    line = StatusLine(board, Run(), 0.0).text()
    assert f"best {value:.4g} (#1) against default" in line and "not compared: 1 trial in stage supervised" in line
    assert "#3" not in trials_table(board)
    analysis = analyse(run)
    values = summary(run, analysis.headline, analysis.answers, None, None)
    assert (values["best"]["trial"], values["stage"], values["default_note"]) == (1, "", "")
    assert values["excluded"] == [{"trial": 3, "stage": "supervised", "note": note}]
    assert note in hover_texts(run, [3])[3]


def test_no_mark_of_an_excluded_trial_is_drawn_among_the_others(run, tmp_path):
    plot = figures.draw_history(run)
    assert 3 not in {n for trace in plot.figure["data"] for n in trace.get("customdata", ())}
    assert plot.caption.endswith("Not compared: #3 in stage supervised.")
    bound = write_run(tmp_path, [staged(0.5), staged(0.6), STOPPED], constraints={"val/cost": 0.5})
    (trade,) = tradeoffs.draw_trade_offs(bound)
    assert 2 not in {n for trace in trade.figure["data"] for n in trace.get("customdata", ())}
    assert "2 of 2 trials" in trade.title


def test_a_default_that_was_stopped_in_the_first_stage_is_compared_with_nothing(tmp_path):
    default = trial(EARLY, parts=PARTS, ended="stopped", cause="health", reason=COLLAPSE)
    run = write_run(tmp_path, [default, staged(0.6), staged(0.5)])
    brief = "no default to compare with: it was stopped in stage supervised at val/score 0.99 because of health"
    note = f"{brief}{COLLAPSE.removeprefix('health')}"
    board = reopened(run.path)
    assert (run.default, run.default_note, board.default_note()) == (None, note, note)
    assert note in card(board, board.folder) and "default none" in card(board, board.folder)
    line = StatusLine(board, Run(), 0.0).text()
    assert f"{brief} · " in line and "against" not in line
    assert note in headline(run).sentence and headline(run).default is None
    assert opening.tiles(run, headline(run))[1] == ("default settings", "–", note)
    reply = answer(run, "Is the best better")
    assert reply.verdict == "unknown" and note.rstrip(".") in reply.sentence
    assert rank_trials(run)["note"][0] == note


def test_a_default_that_ended_itself_before_its_budget_is_compared_and_that_is_said(tmp_path, capsys):
    default = trial(curve(0.4, 5), ended="stopped", cause="patience", reason=PATIENCE)
    run = write_run(tmp_path, [default, trial(curve(0.6))])
    note = f"the default stopped itself at epoch 5 of 9 because of {PATIENCE}"
    board = reopened(run.path)
    for text in (card(board, board.folder), headline(run).sentence):
        assert "against" in text or "default val/score" in text
        assert note in text
    line = StatusLine(board, Run(), 0.0).text()
    assert "against default" in line and f"{note.partition(':')[0]} · " in line
    assert opening.tiles(run, headline(run))[1][2].endswith(note)
    assert note[1:] in answer(run, "Is the best better").sentence
    assert note in ranking.top_table(run).note.replace("The default", "the default")
    assert rank_trials(run)["note"][0] == note
    other = write_run(tmp_path / "other", [trial(curve(0.4)), trial(curve(0.6))])
    assert compare.main([f"runs=[{run.path},{other.path}]", f"to={tmp_path / 'page.html'}"]) == 0
    assert note in capsys.readouterr().out


def test_before_any_trial_is_in_the_last_stage_those_of_the_first_are_compared_and_it_is_named(tmp_path):
    trials = [trial(EARLY[:2], parts=PARTS, ended="running"), trial(EARLY, parts=PARTS, ended="running")]
    run = write_run(tmp_path, trials)
    board = reopened(run.path)
    assert (run.ranking, run.stage, run.excluded) == ([1, 0], "supervised", {})
    assert "best 0.99 (#1) against default 0.95 in stage supervised" in StatusLine(board, Run(), 0.0).text()
    assert "(trial #1, in stage supervised)" in headline(run).sentence


def test_curves_are_judged_in_the_last_stage_alone(tmp_path):
    run = write_run(tmp_path, [staged(0.5), staged(0.6), staged(0.55)])
    evidence = gather(run)
    assert {curve.index[0] for curve in evidence.curves.values()} == {4}
    assert answer(run, "Did it overfit").verdict != "bad"  # the best of all epochs lies before the border
    short = (Stage("supervised", 7), Stage("selftrain", 9))
    runs = write_run(tmp_path / "short", [trial(curve(0.5), parts=short), trial(curve(0.6), parts=short)])
    assert "The last stage of 2 epochs is too short to tell" in answer(runs, "Was it still improving").sentence


def test_with_several_goals_the_value_of_a_comparison_is_that_of_last_epochs(tmp_path):
    goals = [{"metric": "val/score"}, {"metric": "val/cost", "mode": "min"}]
    falling = [trial([0.9, 0.8, 0.7] * 3), trial([0.95] * 8 + [0.6])]
    run = write_run(tmp_path, falling, objective=goals, scheduler={"kind": "none"})
    assert trajectory(run, "epochs").to_dict() == {17.0: 0.7}  # they train side by side; no epoch before counts
    assert (run.best, run.trials["value"][0]) == (0, 0.7)


def test_a_trial_that_ended_itself_in_the_first_stage_has_no_value_at_a_later_rung(tmp_path):
    stuck = trial(EARLY[:2], parts=PARTS, ended="stopped", cause="health", reason=COLLAPSE)
    run = load(write_run(tmp_path, [staged(0.5), stuck]).path)
    assert run.values_at(3).index.tolist() == [0, 1]
    assert run.values_at(9).index.tolist() == [0]


def test_an_export_by_number_of_an_excluded_trial_says_what_it_is(run):
    selection = choose(run, None, 3)
    note = "stopped in stage supervised (not among the best 1/3 at epoch 3); not compared"
    assert selection.note == f"it is {note}" and selection.origin.endswith(f"It is {note}.")
    assert choose(run, None, 1).note == ""
