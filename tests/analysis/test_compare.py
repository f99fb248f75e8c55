"""Runs side by side: what was found for which cost, by hand; pairs by seed; and the page."""

import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from analysis.compare import answer_pairs, build_page, group_by_goal, main
from analysis.frames.experiment import load
from analysis.page.render import PAGE_FOLDER, list_plots
from analysis.proof.arms import compare_arms, group_arms, total_cost, trajectory, value_at
from analysis.proof.statistics import gain
from tests.support.simulated import PARAMS, add, board, search
from trainables.files import RESULT, append_line, read_yaml, trial_folder, write_yaml
from trainables.settings import UsageError

NARROW = {"x": {"uniform": [0.8, 1.0]}, "y": {"uniform": [0.0, 0.3]}}


def run(folder, *, seed=0, name="curves", **parts):
    """Search a run by formula, under a name and with a seed of its own."""
    on = board(folder, **parts)
    settings = read_yaml(folder / "run.yaml")
    write_yaml(folder / "run.yaml", {**settings, "seed": seed, "space_name": name})
    search(on, seed=seed)
    return load(folder)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Search two spaces with three seeds each, one of them clearly worse."""
    parent = tmp_path_factory.mktemp("runs")
    wide = [run(parent / f"wide-{s}", seed=s, name="wide", params=PARAMS) for s in range(3)]
    narrow = [run(parent / f"narrow-{s}", seed=s, name="narrow", params=NARROW) for s in range(3)]
    return [*wide, *narrow]


def written(folder, trials, **parts):
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


# -- one run -----------------------------------------------------------------------------------------------------


def test_a_course_follows_reports_in_the_order_of_time_over_all_trials(tmp_path):
    # begun at 100 and 101: reports at 102 and 108, and at 103 and 104; each costs what passed since the trial's last
    one = written(tmp_path / "run", [[(2.0, 0.5, True), (8.0, 0.9, True)], [(2.0, 0.4, True), (3.0, 0.6, True)]])
    assert trajectory(one, "seconds").to_dict() == {2.0: 0.5, 5.0: 0.6, 11.0: 0.9}
    assert trajectory(one, "epochs").to_dict() == {1.0: 0.5, 3.0: 0.6, 4.0: 0.9}
    assert (total_cost(one, "seconds"), total_cost(one, "epochs")) == (11.0, 4.0)


def test_what_breaks_a_constraint_or_failed_costs_but_does_not_count(tmp_path):
    one = written(tmp_path / "run", [[(1.0, 0.9, False), (2.0, 0.5, True)], [(5.0, 0.8, True)]])
    failed = trial_folder(one.path, 1) / "trial.json"
    failed.write_text(failed.read_text().replace('"finished"', '"failed"'))
    assert trajectory(load(one.path), "seconds").to_dict() == {2.0: 0.5}
    assert total_cost(load(one.path), "seconds") == 7.0


def test_smaller_is_better_where_the_run_says_so(tmp_path):
    objective = {"metric": "val/score", "mode": "min"}
    one = written(tmp_path / "run", [[(1.0, 0.5, True), (2.0, 0.7, True), (3.0, 0.2, True)]], objective=objective)
    assert trajectory(one, "seconds").to_dict() == {1.0: 0.5, 3.0: 0.2}


def test_the_value_at_a_cost_is_the_last_one_before_it(tmp_path):
    best_so_far = trajectory(written(tmp_path / "run", [[(1.0, 0.5, True), (3.0, 0.7, True)]]), "seconds")
    assert [value_at(best_so_far, cost) for cost in (0.5, 1.0, 2.9, 3.0, 99.0)] == [None, 0.5, 0.5, 0.7, 0.7]


# -- arms and pairs ------------------------------------------------------------------------------------------------


def test_runs_of_one_space_with_different_seeds_are_one_arm(two):
    arms = group_arms(two, "epochs")
    assert [(arm.name, len(arm.runs)) for arm in arms] == [("wide", 3), ("narrow", 3)]
    twice = group_arms([two[0], two[0]], "epochs")
    assert [len(arm.runs) for arm in twice] == [1, 1]  # the same seed again is no repeat
    assert twice[0].name == "wide-0"


def test_arms_are_compared_at_the_cost_that_the_cheapest_has_spent(two):
    (group,) = group_by_goal(group_arms(two, "epochs"))
    assert group.equal_cost == min(total_cost(run, "epochs") for run in two)
    wide = group.arms[0].values(group.equal_cost)
    assert wide == {seed: value_at(trajectory(two[seed], "epochs"), group.equal_cost) for seed in range(3)}


def test_pairs_share_seeds_and_the_better_space_is_named(two):
    (group,) = group_by_goal(group_arms(two, "epochs"))
    wide, narrow = (arm.values(group.equal_cost) for arm in group.arms)
    assert group.pairs[0].search_gain == gain(wide, narrow)
    (answer,) = answer_pairs(group)
    assert answer.verdict == "good"
    assert "wide is better" in answer.sentence
    (reverse,) = answer_pairs(group_by_goal(group_arms([*two[3:], *two[:3]], "epochs"))[0])
    assert "wide is better" in reverse.sentence  # whichever comes first


def test_one_seed_each_cannot_tell(two):
    (answer,) = answer_pairs(group_by_goal(group_arms([two[0], two[3]], "epochs"))[0])
    assert answer.verdict == "unknown"
    assert "one seed each cannot tell" in answer.sentence


def test_proofs_are_paired_by_their_fresh_seeds(two):
    def with_proof(run, values):
        row = {"trial": 3, "values": {str(1000 + s): v for s, v in enumerate(values)}, "mean": 0}
        (run.path / "retrain").mkdir(exist_ok=True)
        proof = {"candidates": [row], "default": {**row, "trial": 0}, "sentence": "", "winner": 3, "verdict": "better"}
        (run.path / "retrain" / "proof.json").write_text(json.dumps(proof))
        return load(run.path)

    luck = np.array([0.1, -0.1, 0.05])
    runs = [with_proof(two[0], 0.7 + luck), with_proof(two[3], 0.8 + luck + [0.001, 0, 0.002])]
    arms = group_arms(runs, "epochs")
    (pair,) = compare_arms(arms, 10)
    assert pair.search_gain is None
    assert pair.proof_gain.verdict == "worse"
    (answer,) = answer_pairs(group_by_goal(arms)[0])
    assert answer.sentence.startswith("With fresh seeds narrow is better")
    for each in runs:
        (each.path / "retrain" / "proof.json").unlink()


def test_another_metric_is_another_family(two, tmp_path):
    cost = run(tmp_path / "cost", objective={"metric": "val/cost", "mode": "min"})
    groups = group_by_goal(group_arms([two[0], two[3], cost], "epochs"))
    assert [len(group.arms) for group in groups] == [2, 1]
    assert "nothing can be compared with it" in answer_pairs(groups[1])[0].sentence


# -- the page ------------------------------------------------------------------------------------------------------


def test_the_page_draws_every_arm_and_plotly_accepts_it(two):
    groups = group_by_goal(group_arms(two, "epochs"))
    (plot,) = list_plots(build_page(groups))
    text = json.dumps(plot.figure)
    css = (PAGE_FOLDER / "page.css").read_text()
    for token in set(re.findall(r"--[\w-]+", text)):
        assert f"{token}:" in css
        text = text.replace(f'"{token}"', '"#123456"')
    go.Figure(json.loads(text))
    lines = {trace["name"]: trace for trace in plot.figure["data"] if trace["line"]["width"] > 0}
    arm = groups[0].arms[0]
    assert lines["wide"]["y"][-1] == pytest.approx(np.mean(list(arm.values(arm.min_cost).values())), abs=1e-5)
    bands = [trace for trace in plot.figure["data"] if trace["line"]["width"] == 0]
    assert len(bands) == 4


def test_the_command_writes_a_page_and_says_the_outcome(two, tmp_path, capsys):
    words = ",".join(str(run.path) for run in two)
    assert main([f"runs=[{words}]", "cost=epochs", f"to={tmp_path}/page.html"]) == 0
    assert "wide is better" in capsys.readouterr().out
    text = (tmp_path / "page.html").read_text()
    assert "wide or narrow?" in text


def test_input_that_cannot_be_compared_is_refused(two, tmp_path):
    with pytest.raises(UsageError, match="at least two"):
        main([f"runs=[{two[0].path}]"])
    with pytest.raises(UsageError, match="runs="):
        main([f"runs={two[0].path}"])
    empty = board(tmp_path / "empty")
    with pytest.raises(UsageError, match="empty has no trial with a result yet"):
        main([f"runs=[{two[0].path},{empty.folder.path}]"])


def test_runs_on_different_data_are_pointed_out_and_another_cache_is_none(two, tmp_path):
    cache = run(tmp_path / "cache", name="cache", data={"source": "synthetic", "cache": "elsewhere"})
    other = run(tmp_path / "other", name="other", data={"source": "synthetic", "bad_images": "skip"})
    assert "different data" not in str(build_page(group_by_goal(group_arms([two[0], cache], "epochs"))))
    assert "different data" in str(build_page(group_by_goal(group_arms([two[0], other], "epochs"))))
