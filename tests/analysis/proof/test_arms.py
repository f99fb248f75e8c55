"""Arms of a comparison: trajectories by cost, by hand; which runs form an arm, its name, and pairs by seed."""

import json

import numpy as np

from analysis.frames.experiment import load
from analysis.proof.arms import compare_arms, group_arms
from analysis.proof.statistics import gain
from analysis.proof.trajectory import total_cost, trajectory, value_at
from tests.support.arms import search_arm, with_proof
from tests.support.simulated import add, board
from trainables.files import RESULT, append_line, trial_folder


def write_reports(folder, trials, **parts):
    """Write a run whose trials report the values: (seconds until the report, value, feasible) each."""
    on = board(folder, **parts)
    for number, reports in enumerate(trials):
        add(on, {"x": 0.5, "y": 0.5})
        for epoch, (seconds, value, feasible) in enumerate(reports, start=1):
            line = {"epoch": epoch, "time/total_s": seconds, "val/score": value, "objective/value": value}
            line |= {"objective/violation": 0.0 if feasible else 1.0, "objective/feasible": float(feasible)}
            append_line(trial_folder(folder, number) / RESULT, {**line, "findings": []})
        path = trial_folder(folder, number) / "trial.json"
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, "started": 100.0 + number, "status": "finished"}))
    return load(folder)


# -- one run -----------------------------------------------------------------------------------------------------------


def test_a_trajectory_follows_the_reports_in_order_of_time_over_all_trials(tmp_path):
    # started at 100 and 101: reports at 102 and 108, and at 103 and 104; each costs what passed since the trial's last
    one = write_reports(tmp_path / "run", [[(2.0, 0.5, True), (8.0, 0.9, True)], [(2.0, 0.4, True), (3.0, 0.6, True)]])
    assert trajectory(one, "seconds").to_dict() == {2.0: 0.5, 5.0: 0.6, 11.0: 0.9}
    assert trajectory(one, "epochs").to_dict() == {1.0: 0.5, 3.0: 0.6, 4.0: 0.9}
    assert (total_cost(one, "seconds"), total_cost(one, "epochs")) == (11.0, 4.0)


def test_what_violates_a_constraint_or_failed_costs_but_does_not_count(tmp_path):
    one = write_reports(tmp_path / "run", [[(1.0, 0.9, False), (2.0, 0.5, True)], [(5.0, 0.8, True)]])
    failed = trial_folder(one.path, 1) / "trial.json"
    failed.write_text(failed.read_text().replace('"finished"', '"failed"'))
    assert trajectory(load(one.path), "seconds").to_dict() == {2.0: 0.5}
    assert total_cost(load(one.path), "seconds") == 7.0


def test_smaller_is_better_where_the_run_says_so(tmp_path):
    objective = {"metric": "val/score", "mode": "min"}
    one = write_reports(tmp_path / "run", [[(1.0, 0.5, True), (2.0, 0.7, True), (3.0, 0.2, True)]], objective=objective)
    assert trajectory(one, "seconds").to_dict() == {1.0: 0.5, 3.0: 0.2}


def test_the_value_at_a_cost_is_the_last_one_before_it(tmp_path):
    best_so_far = trajectory(write_reports(tmp_path / "run", [[(1.0, 0.5, True), (3.0, 0.7, True)]]), "seconds")
    assert [value_at(best_so_far, cost) for cost in (0.5, 1.0, 2.9, 3.0, 99.0)] == [None, 0.5, 0.5, 0.7, 0.7]


# -- arms and pairs ----------------------------------------------------------------------------------------------------


def test_runs_of_one_space_with_different_seeds_are_one_arm(two_spaces):
    arms = group_arms(two_spaces, "epochs")
    assert [(arm.name, len(arm.runs)) for arm in arms] == [("wide", 3), ("narrow", 3)]
    twice = group_arms([two_spaces[0], two_spaces[0]], "epochs")
    assert [len(arm.runs) for arm in twice] == [1, 1]  # the same seed again is no repeat
    assert twice[0].name == "wide-0"


def test_arms_with_one_space_name_are_named_by_their_folders_with_parents_where_these_are_alike(tmp_path):
    budget = {"trials": 2, "max_epochs": 1, "grace_epochs": 1}
    folders = ["a/mine", "b/mine", "other", "below/a/mine"]
    runs = [
        search_arm(tmp_path / folder, budget=budget, fixed={"noise": 0.1 * index})
        for index, folder in enumerate(folders)
    ]
    assert [arm.name for arm in group_arms(runs[:1], "epochs")] == ["curves"]
    assert [arm.name for arm in group_arms(runs[:3], "epochs")] == ["a/mine", "b/mine", "other"]
    names = [arm.name for arm in group_arms(runs, "epochs")]
    assert names == [f"{tmp_path.name}/a/mine", "b/mine", "other", "below/a/mine"]
    space = search_arm(tmp_path / "third", name="other", budget=budget)
    names = [arm.name for arm in group_arms([*runs[1:3], space], "epochs")]
    assert names == ["mine", f"{tmp_path.name}/other", f"{tmp_path.name}/third"]


def test_pairs_share_the_seeds_of_the_search(two_spaces):
    arms = group_arms(two_spaces, "epochs")
    (pair,) = compare_arms(arms, 10)
    assert pair.search_gain == gain(*(arm.values(10) for arm in arms))
    assert set(arms[0].values(10)) == set(arms[1].values(10)) == {0, 1, 2}
    assert pair.proof_gain is None


def test_proofs_are_paired_by_their_fresh_seeds(two_spaces):
    luck = np.array([0.1, -0.1, 0.05])
    runs = [with_proof(two_spaces[0], 0.7 + luck), with_proof(two_spaces[3], 0.8 + luck + [0.001, 0, 0.002])]
    (pair,) = compare_arms(group_arms(runs, "epochs"), 10)
    assert pair.search_gain is None
    assert pair.proof_gain.verdict == "worse"
