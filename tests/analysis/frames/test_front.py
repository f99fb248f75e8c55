"""Several goals: the front at the last epoch, the trial that is chosen of it, and that everyone names the same one."""

import json

import numpy as np
import pytest

from analysis import report
from analysis.export import choose
from analysis.frames.experiment import Experiment
from analysis.page import opening, ranking, tradeoffs
from analysis.page.tables import follow_up_commands
from analysis.questions.headline import headline
from analysis.retrain import plan_trainings
from search.board import Board
from tests.support.drawn import GOALS, trace
from tests.support.simulated import reopened
from tests.support.written import answer, curve, trial, write_run
from trainables.objective import Goal

GIVING = [{**GOALS[0], "give_up": 0.1}, GOALS[1]]
RULE = "of those within 10% of the best val/score, the one with the least val/cost"
SCORES, COSTS = [0.5, 1.0, 0.95, 0.9, 0.85, 0.92], [0.9, 0.8, 0.5, 0.3, 0.1, 0.6]
CHOSEN = 3  # 0.9 is within a tenth of 1.0, and 0.85 is not


def ended_with(folder, goals=GIVING, scores=SCORES, costs=COSTS, **space) -> Experiment:
    """Write a run whose trials, the even ones above all, were better before their last epoch than at it."""
    curves = [[3.0 - number % 2] * 8 + [score] for number, score in enumerate(scores)]
    trials = [trial(values, cost=cost) for values, cost in zip(curves, costs, strict=True)]
    return write_run(folder, trials, objective=goals, scheduler={"kind": "none"}, **space)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Experiment:
    return ended_with(tmp_path_factory.mktemp("given"))


def board_of(experiment: Experiment) -> Board:
    return reopened(experiment.path)


def test_the_metrics_of_the_last_epoch_decide_and_not_those_of_the_best(finished):
    assert finished.choice == CHOSEN
    assert finished.trials.loc[CHOSEN, ["val/score", "value", "best_epoch"]].tolist() == [SCORES[CHOSEN]] * 2 + [9]
    assert finished.curve(CHOSEN).max() > SCORES[CHOSEN]
    assert finished.front == [1, 2, 3, 4]
    assert finished.best != CHOSEN


@pytest.mark.parametrize("seed", range(6))
def test_the_card_and_the_analysis_have_the_same_front_and_choose_the_same(tmp_path, seed):
    rng = np.random.default_rng(seed)
    scores, costs = rng.uniform(-1, 1, (2, 20)).round(1).tolist()
    experiment = ended_with(tmp_path, scores=scores, costs=costs, constraints={"val/cost": 0.6})
    board = board_of(experiment)
    assert (sorted(board.front()), board.choice()) == (experiment.front, experiment.choice)
    assert experiment.choice in experiment.front


def test_nothing_given_up_chooses_the_best_of_the_first_goal_and_of_equals_that_of_the_second(tmp_path):
    experiment = ended_with(tmp_path, GOALS, scores=[0.5, 0.7, 0.6, 0.7, 0.7], costs=[0.1, 0.4, 0.4, 0.3, 0.3])
    assert experiment.choice == board_of(experiment).choice() == 3  # the earlier of two that are the same


def test_what_violates_a_constraint_is_not_chosen(tmp_path):
    one = ended_with(tmp_path / "one", constraints={"val/cost": 0.2})
    assert one.choice == board_of(one).choice() == 4
    none = ended_with(tmp_path / "none", constraints={"val/cost": 0.05})
    assert none.choice is None and board_of(none).choice() is None and none.front
    assert answer(none, "How large").verdict == "bad"
    assert choose(none, None, None).trial == none.best


def test_what_failed_or_is_running_is_neither_chosen_nor_on_the_front(tmp_path):
    level, better = curve(0.5), curve(0.9)
    trials = [trial(level), trial(better, ended="failed", cause="health"), trial(better[:4], ended="running")]
    experiment = write_run(tmp_path / "some", trials, objective=GIVING, scheduler={"kind": "none"})
    assert (experiment.front, experiment.choice, experiment.ranking) == ([0], 0, [2, 0])
    alone = write_run(tmp_path / "alone", trials[1:], objective=GIVING, scheduler={"kind": "none"})
    assert (alone.front, alone.choice) == ([], None)
    assert "chosen" not in headline(alone).sentence


def test_of_one_goal_the_best_is_chosen(tmp_path):
    experiment = write_run(tmp_path, [trial(curve(0.5)), trial(curve(0.9)), trial(curve(0.7))])
    assert experiment.choice == experiment.best == 1
    assert "chosen" not in headline(experiment).sentence


# -- where it shows ----------------------------------------------------------------------------------------------


def test_headline_section_and_question_name_the_chosen_trial_and_the_rule(finished):
    sentence_of_choice = f"Trial #{CHOSEN} is chosen: {RULE}, each at its last epoch."
    assert headline(finished).sentence.endswith(f" {sentence_of_choice}")
    made = report.build_page(report.analyse(finished))
    assert next(section for section in made.sections if section.name == "goals").lead == sentence_of_choice
    sentence = answer(finished, "How large").sentence
    assert f"#{CHOSEN} is chosen, as the space says: {RULE}." in sentence
    assert "the best there: val/score 1 (#1) and val/cost 0.1 (#4)" in sentence
    assert "#1, #2 and #3 beat the default in every goal" in sentence
    assert "export the chosen trial" in dict(follow_up_commands(finished).commands)


def test_the_question_leaves_the_choice_to_you_where_nothing_is_given_up(tmp_path):
    assert "Choose by what a goal is worth to you" in answer(ended_with(tmp_path, GOALS), "How large").sentence


def test_the_figure_has_a_ring_about_the_chosen_trial_at_its_last_epoch(finished):
    (plot,) = tradeoffs.draw_trade_offs(finished)
    ring = trace(plot, f"chosen (#{CHOSEN})")
    assert (ring["x"], ring["y"], ring["customdata"]) == ([COSTS[CHOSEN]], [SCORES[CHOSEN]], [CHOSEN])
    assert f"chosen (#{CHOSEN})" in [key.text for key in plot.legend]
    assert trace(plot, "Pareto front")["y"] == [SCORES[number] for number in (4, 3, 2, 1)]
    points_drawn = {(n, y) for item in plot.figure["data"] for n, y in zip(item["customdata"], item["y"], strict=True)}
    assert points_drawn == set(enumerate(SCORES))
    assert plot.caption.startswith("Each mark is a trial at its last epoch.")


def test_the_table_of_the_front_has_the_chosen_trial_in_bold_and_the_metrics_of_the_last_epoch(finished):
    table = ranking.front_table(finished)
    assert [row[0] for row in table.rows] == ["#1", "#2", "#3", "#4"]
    assert [float(row[1]) for row in table.rows] == [1.0, 0.95, 0.9, 0.85]
    assert {row[table.columns.index("epoch")] for row in table.rows} == {"9"}
    assert table.bold_rows == {2} and f"In bold the chosen trial: {RULE}." in table.note


def test_the_chosen_trial_is_in_the_table_of_a_large_front(tmp_path):
    scores = np.linspace(1.0, 0.5, 60).round(3)
    experiment = ended_with(tmp_path, [{**GOALS[0], "give_up": 0.4}, GOALS[1]], scores.tolist(), scores.tolist())
    table = ranking.front_table(experiment)
    assert experiment.choice == max(number for number, score in enumerate(scores) if score >= 0.6) > ranking.FRONT_ROWS
    assert len(table.rows) == ranking.FRONT_ROWS + 1 and table.bold_rows == {ranking.FRONT_ROWS}
    assert table.rows[-1][0] == f"#{experiment.choice}"
    assert f"And {60 - ranking.FRONT_ROWS - 1} more" in table.note


def test_the_summary_has_the_chosen_trial_and_the_front_at_its_last_epoch(finished):
    assert report.main([f"run={finished.path}"]) == 0
    summary = json.loads((finished.path / "summary.json").read_text())
    assert summary["chosen"] == {"trial": CHOSEN, "rule": RULE}
    assert summary["objective"]["goals"][0]["give_up"] == 0.1
    assert [(row["trial"], row["val/score"], row["epoch"]) for row in summary["front"]] == [
        (number, SCORES[number], 9) for number in (1, 2, 3, 4)
    ]


def test_an_export_takes_the_chosen_trial_unless_another_is_asked_for_or_won_the_proof(finished):
    assert choose(finished, None, None).trial == CHOSEN
    assert choose(finished, None, 2).trial == 2
    proof = {"winner": 4, "candidates": [], "default": {"trial": 0, "values": {}}}
    assert choose(finished, proof, None).trial == 4


def test_a_proof_tries_the_trial_of_a_declared_rule_before_the_best(finished):
    plan = {item.origin: item.params for item in plan_trainings(finished, 2, 1, None)}
    assert list(plan) == ["default", f"trial {CHOSEN}", "trial 1"]
    assert plan[f"trial {CHOSEN}"] == finished.folder.trial(CHOSEN).params


@pytest.mark.parametrize(("goal", "first"), [(Goal(**GIVING[0]), 1), (Goal(**GIVING[1]), 4)])
def test_a_proof_by_one_goal_tries_the_best_by_it(finished, goal, first):
    assert [item.origin for item in plan_trainings(finished, 1, 1, goal)][:2] == ["default", f"trial {first}"]


def test_without_a_declared_rule_a_proof_tries_the_best(tmp_path):
    experiment = ended_with(tmp_path, GOALS)
    plan = plan_trainings(experiment, 2, 1, experiment.objective.first)
    assert [item.origin for item in plan][:3] == ["default", "trial 1", "trial 2"]
    assert [trial for trial in experiment.ranking if trial][:2] == [1, 2]


def test_a_default_that_is_best_in_the_first_goal_and_not_chosen_leaves_something_to_prove(tmp_path):
    trials = [trial([0.9] * 9, cost=0.9), trial([0.85] * 9, cost=0.1)]
    experiment = write_run(tmp_path / "giving", trials, objective=GIVING, scheduler={"kind": "none"})
    assert (experiment.best, experiment.choice) == (0, 1)
    assert any("analysis.retrain" in line for _, line in opening.opening_blocks(experiment)[-1].commands)
    assert any("analysis.retrain" in line for _, line in follow_up_commands(experiment).commands)
    plain = write_run(tmp_path / "plain", trials, objective=GOALS, scheduler={"kind": "none"})
    assert len(opening.opening_blocks(plain)) == 1
