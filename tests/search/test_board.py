"""The board: what the driver knows, the same from memory and from disk."""

import pytest

from tests.support.simulated import PARAMS, add, board, by_formula, known, reopened, report, search
from trainables.files import RESULT, append_line, trial_folder

X = {"x": 0.3, "y": 0.7}


def test_trials_are_numbered_and_given_out_until_the_budget(tmp_path):
    on = board(tmp_path / "run", budget={"trials": 3})
    assert (on.next_number, on.remaining()) == (0, 3)
    add(on, X)
    add(on, X, epochs=1, ended="failed", cause="error")
    assert (on.next_number, on.remaining()) == (2, 1)
    assert on.count("running") == 1
    assert on.count("failed", "running") == 2
    assert [trial.number for trial in on.failures()] == [1]


def test_values_are_those_of_their_epoch(tmp_path):
    on = board(tmp_path / "run")
    add(on, X, epochs=3)
    expected = [report(on.space, X, epoch)["val/score"] for epoch in (1, 2, 3)]
    assert [on.value(0, epoch) for epoch in (1, 2, 3, 4)] == [*expected, None]
    assert on.values(0, last=2) == expected[:2]
    assert on.epochs(0) == 3


def test_a_report_is_not_taken_twice(tmp_path):
    on = board(tmp_path / "run")
    add(on, X, epochs=2)
    on.report(0, {**report(on.space, X, 2), "objective/value": 99.0})
    assert on.values(0, last=9) == [report(on.space, X, epoch)["val/score"] for epoch in (1, 2)]


def test_the_report_that_stands_for_a_trial_follows_its_reports_and_is_not_searched_for_without_new_ones(
    tmp_path, monkeypatch
):
    on = board(tmp_path / "run")
    add(on, X, epochs=2)
    assert on.standing_report(0)["epoch"] == 2
    on.report(0, {**report(on.space, X, 3), "objective/value": 99.0})
    assert on.standing_report(0)["objective/value"] == 99.0
    on.end(0, "finished", "budget", "for the test")
    on.report(0, {**report(on.space, X, 4), "objective/value": 100.0})
    assert on.standing_report(0)["objective/value"] == 100.0
    monkeypatch.setattr(type(on.space.objective), "standing_report", lambda *arguments: pytest.fail("searched again"))
    assert on.best() == 0


def test_the_best_is_the_best_epoch_of_any_trial_that_did_not_fail(tmp_path):
    on = board(tmp_path / "run")
    add(on, {"x": 0.9, "y": 0.7}, epochs=9, ended="finished", cause="budget")
    add(on, {"x": 0.4, "y": 0.7}, epochs=9, ended="stopped", cause="scheduler")
    add(on, X, epochs=9, ended="failed", cause="error")
    add(on, X)
    assert on.best() == 1
    assert on.standing_report(1)["epoch"] == 9
    assert on.standing_report(3) is None


def test_peers_are_in_the_same_stage_and_as_far_in_it(tmp_path):
    on = board(tmp_path / "run")
    stages = [(0, 9), (0, 9), (0, 5), (1, 9)]
    for number, (stage, end) in enumerate(stages):
        add(on, X)
        place = {"train/compared_stage": float(stage), "train/compared_end": float(end)}
        on.report(number, {**report(on.space, X, 1), **place})
    assert [on.peers(number, 1) for number in range(4)] == [[1], [0], [], []]
    assert on.peers(0, 2) == []


def test_without_results_there_is_no_best(tmp_path):
    on = board(tmp_path / "run")
    add(on, X)
    assert on.best() is None


def test_feasible_trials_are_better_than_others(tmp_path):
    on = board(tmp_path / "run", constraints={"val/cost": 0.25})
    add(on, X, epochs=9)
    add(on, {"x": 0.2, "y": 0.0}, epochs=2)
    assert on.best() == 1


@pytest.mark.parametrize("reports", [1, 8, 20, 50])
def test_a_board_read_back_is_the_board_that_was_left(tmp_path, reports):
    parts = {"constraints": {"val/cost": 0.5}, "params": {**PARAMS, "kind": {"choice": ["plain", "shifted"]}}}
    on = board(tmp_path / "run", **parts)
    search(on, concurrent=3, reports=reports)
    again = reopened(tmp_path / "run")
    assert [known(trial) for trial in again.trials.values()] == [known(trial) for trial in on.trials.values()]
    assert [trial.reports for trial in again.trials.values()] == [trial.reports for trial in on.trials.values()]
    assert again.waiting == [trial.number for trial in on.trials.values() if trial.status == "running"]
    assert again.remaining() == 12 - len(on.trials) + len(again.waiting)
    assert again.best() == on.best()


def test_reports_in_memory_hold_what_decisions_need_and_no_more(tmp_path):
    on = board(tmp_path / "run", constraints={"val/cost": 0.5})
    config = {"trial": add(on, X).number, "params": X}
    on.report(0, {**next(by_formula(on, config)), "findings": [{"message": "long" * 999}], "train/total": 1.0})
    kept = {
        "epoch",
        "val/score",
        "val/cost",
        "objective/value",
        "objective/violation",
        "objective/feasible",
        "stop_reason",
    }
    assert set(on.trials[0].reports[0]) == kept


def test_a_report_after_a_resume_goes_on_from_those_on_disk(tmp_path):
    on = board(tmp_path / "run")
    add(on, X)
    for epoch in (1, 2):
        append_line(trial_folder(tmp_path / "run", 0) / RESULT, report(on.space, X, epoch))
    again = reopened(tmp_path / "run")
    assert again.epochs(0) == 2
    again.report(0, report(on.space, X, 2))  # its checkpoint was missing: trained again
    again.report(0, report(on.space, X, 3))
    assert [line["epoch"] for line in again.trials[0].reports] == [1, 2, 3]
