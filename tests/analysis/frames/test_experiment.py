"""A run as frames: against its own files read one by one, and whatever state these are in."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.frames.experiment import load, load_all
from search.record import ENVIRONMENT, FAILURES, TRIAL, RunFolder
from tests.support.simulated import add, board, by_formula, search
from trainables.files import BEST_WEIGHTS, CHECKPOINT, RESULT, read_lines, trial_folder
from trainables.settings import UsageError


def test_frames_hold_what_the_files_hold(finished_run):
    experiment = load(finished_run)
    folder = RunFolder.open(finished_run)
    objective = folder.space().objective
    for trial in folder.trials():
        row = experiment.trials.loc[trial.number]
        assert (row["status"], row["cause"], row["origin"]) == (trial.status, trial.cause, trial.origin)
        assert row["epochs"] == len(trial.reports)
        settings = experiment.settings.loc[trial.number].dropna().to_dict()
        assert settings == trial.params
        rows = experiment.reports[experiment.reports["trial"] == trial.number].set_index("epoch")
        for report in trial.reports:
            for key in ("val/score", "raw/square", "time/total_s", "objective/violation"):
                assert rows.loc[report["epoch"], key] == report[key]
        best = objective.best_report(trial.reports)
        if trial.status == "failed":
            assert pd.isna(row["value"])
        elif best is not None:
            assert (row["best_epoch"], row["value"]) == (best["epoch"], best["objective/value"])
            assert bool(row["feasible"]) == bool(best["objective/feasible"])
    assert list(experiment.failures["reason"]) == [t.reason for t in folder.trials() if t.status == "failed"]
    assert not experiment.problems


def test_trials_are_ranked_as_the_objective_does(finished_run):
    folder = RunFolder.open(finished_run)
    objective = folder.space().objective
    best = {t.number: objective.best_report(t.reports) for t in folder.trials() if t.status != "failed"}
    order = sorted((n for n in best if best[n]), key=lambda n: objective.rank(best[n]), reverse=True)
    experiment = load(finished_run)
    assert experiment.ranking == order
    assert experiment.best == order[0]
    assert experiment.default == 0


def test_smaller_is_better_where_the_objective_says_so(tmp_path):
    board_ = board(tmp_path / "run", objective={"metric": "val/score", "mode": "min"})
    search(board_)
    experiment = load(board_.folder.path)
    assert experiment.best == board_.best()
    row = experiment.trials.loc[experiment.best]
    assert row["value"] == experiment.curve(experiment.best).min()
    assert row["best_epoch"] == experiment.curve(experiment.best).idxmin()


def test_values_at_a_rung_are_those_of_that_epoch_and_the_last_ones_of_trials_that_had_settled(tmp_path):
    board_ = board(tmp_path / "run")
    for number, (ended, cause) in enumerate([("finished", "budget"), ("stopped", "scheduler"), ("stopped", "health")]):
        trial = add(board_, {"x": 0.5, "y": 0.5 - 0.1 * number})
        results = by_formula(board_, {"trial": trial.number, "params": trial.params})
        for _ in range(9 if ended == "finished" else 4):
            board_.report(trial.number, next(results))
        board_.end(trial.number, ended, cause, f"{cause}: for the test")
    experiment = load(board_.folder.path)
    reports = {n: read_lines(trial_folder(board_.folder.path, n) / RESULT) for n in range(3)}
    assert experiment.values_at(3).to_dict() == {n: reports[n][2]["objective/value"] for n in range(3)}
    assert experiment.values_at(9).to_dict() == {
        0: reports[0][8]["objective/value"],
        2: reports[2][3]["objective/value"],
    }
    assert experiment.common_rung(3) == 3
    assert experiment.common_rung(2) == 9
    assert experiment.common_rung(4) is None


def test_findings_are_rows(finished_run, run):
    lines = read_lines(trial_folder(run, 0) / RESULT)
    lines[1]["findings"] = [{"check": "flat", "message": "it is flat; raise lr"}, {"check": "odd", "message": "<b>"}]
    (trial_folder(run, 0) / RESULT).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert load(finished_run).findings.empty
    damaged_run = load(run).findings
    assert damaged_run.to_dict("records") == [
        {"trial": 0, "epoch": 2, "check": "flat", "message": "it is flat; raise lr"},
        {"trial": 0, "epoch": 2, "check": "odd", "message": "<b>"},
    ]


def test_of_a_damaged_folder_everything_readable_is_read_and_the_rest_is_named(finished_run, run):
    intact = load(finished_run)
    torn_trial = intact.ranking[0]
    with (trial_folder(run, torn_trial) / RESULT).open("a") as file:
        file.write('{"epoch": 4, "val/score": 0.9, "objective/val')
    (run / FAILURES).unlink()
    (run / ENVIRONMENT).unlink()
    cut_trial, partial_trial = intact.ranking[1], intact.ranking[2]
    weights = trial_folder(run, cut_trial) / BEST_WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-5])
    state = trial_folder(run, cut_trial) / CHECKPOINT
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
    (trial_folder(run, partial_trial) / f".{BEST_WEIGHTS}").write_bytes(b"half")
    lost = intact.ranking[3]
    (trial_folder(run, lost) / TRIAL).write_text('{"number": ')

    experiment = load(run)

    assert experiment.reports.equals(intact.reports)
    assert experiment.failures.equals(intact.failures)
    assert experiment.ranking == intact.ranking  # the reports of the trial without a record are there
    assert experiment.trials.loc[lost, "status"] == "unknown"
    assert experiment.settings.loc[lost].isna().all()
    problem = "\n".join(experiment.problems)
    for name, why in (
        (f"trial_{torn_trial:04d}/{RESULT}", "1 line is torn"),
        (FAILURES, "is missing"),
        (ENVIRONMENT, "is missing"),
        (f"trial_{cut_trial:04d}/{BEST_WEIGHTS}", "cut off"),
        (f"trial_{cut_trial:04d}/{CHECKPOINT}", "cut off"),
        (f"trial_{partial_trial:04d}/.{BEST_WEIGHTS}", "half-written"),
        (f"trial_{lost:04d}/{TRIAL}", "cannot be read"),
    ):
        assert any(name in line and why in line for line in problem.splitlines()), (name, why, problem)
    assert len(experiment.problems) == 7


@pytest.mark.parametrize(
    "damage",
    [
        b'{"epoch": 2, "findings": [{"check": "x"}\n',
        b"\x00\xff\n",
        b'"epoch"\n',
        b'{"val/score": 1}\n',
        b'{"epoch": []}\n',
    ],
)
def test_a_line_in_the_middle_that_is_no_report_is_left_out_alone(finished_run, run, damage):
    path = trial_folder(run, 0) / RESULT
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\n" + damage + rest)
    experiment = load(run)
    pd.testing.assert_frame_equal(experiment.reports, load(finished_run).reports, check_like=True)
    assert f"trial_0000/{RESULT}: 1 line is torn" in experiment.problems[0]


def test_a_key_that_changes_its_type_costs_that_value_alone(run):
    path = trial_folder(run, 0) / RESULT
    lines = read_lines(path)
    lines[0]["val/cost"] = "none"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    curve = load(run).curve(0, "val/cost")
    assert curve.isna().tolist() == [True, False, False]
    assert load(run).curve(0, "val/score").notna().all()


def test_numbers_that_json_should_not_have_are_read(run):
    path = trial_folder(run, 0) / RESULT
    lines = read_lines(path)
    lines[0]["val/iou"], lines[1]["val/iou"] = float("nan"), float("inf")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    curve = load(run).curve(0, "val/iou")
    assert curve.isna().tolist() == [True, False, True]
    assert curve.tolist()[1] == float("inf")


def test_an_epoch_that_is_there_twice_counts_once_with_its_later_line(run):
    path = trial_folder(run, 0) / RESULT
    lines = read_lines(path)
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {**lines[-1], "val/score": 7.0}]))
    experiment = load(run)
    assert experiment.curve(0, "val/score").tolist()[-1] == 7.0
    assert experiment.trials.loc[0, "epochs"] == len(lines)


# -- reports of older runs and of others -----------------------------------------------------------------------------


def without(run, *names, trials=None):
    """Remove keys from the reports of some trials, or all, and read the run."""
    for path in run.glob(f"trial_*/{RESULT}"):
        if trials is None or int(path.parent.name[-4:]) in trials:
            lines = [{key: value for key, value in line.items() if key not in names} for line in read_lines(path)]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return load(run)


@pytest.mark.parametrize("trials", [None, [1, 2]])
def test_what_older_runs_did_not_report_is_worked_out(finished_run, run, trials):
    intact = load(finished_run)
    damaged_run = without(
        run, "objective/violation", "objective/feasible", "objective/value", "time/total_s", trials=trials
    )
    scores = ["objective/violation", "objective/feasible", "objective/value"]
    pd.testing.assert_frame_equal(damaged_run.reports[scores], intact.reports[scores])
    assert (damaged_run.ranking, damaged_run.front) == (intact.ranking, intact.front)
    shown = intact.trials.columns.drop("seconds")
    pd.testing.assert_frame_equal(damaged_run.trials[shown], intact.trials[shown])
    assert damaged_run.trials["seconds"].isna().tolist() == [
        trials is None or n in trials for n in damaged_run.trials.index
    ]
    assert not damaged_run.problems


@pytest.mark.parametrize(
    ("keys", "metric"),
    [
        (("objective/value", "val/score"), "val/score"),
        (("objective/violation", "objective/feasible", "val/cost"), "val/cost"),
        (("objective/value", "val/score", "objective/violation", "objective/feasible", "val/cost"), "val/score or val"),
    ],
)
def test_a_trial_without_the_metric_has_no_best_epoch_and_its_file_is_named(finished_run, run, keys, metric):
    intact = load(finished_run)
    lost = intact.ranking[0]
    damaged_run = without(run, *keys, trials=[lost])
    assert damaged_run.trials.loc[lost, ["best_epoch", "value", "feasible", "violation"]].isna().all()
    assert damaged_run.ranking == intact.ranking[1:]
    (problem,) = damaged_run.problems
    assert problem.startswith(f"trial_{lost:04d}/{RESULT} has no number for {metric}")


def test_a_run_none_of_whose_reports_can_be_compared_is_read(run):
    damaged_run = without(run, "objective/value", "val/score")
    assert (damaged_run.ranking, damaged_run.front, damaged_run.best, damaged_run.common_rung(1)) == (
        [],
        [],
        None,
        None,
    )
    assert (
        len(damaged_run.problems)
        == ((damaged_run.trials["status"] != "failed") & (damaged_run.trials["epochs"] > 0)).sum()
    )


def test_a_report_that_is_no_number_is_not_the_best_and_hides_none(run):
    best = load(run).ranking[0]
    path = trial_folder(run, best) / RESULT
    lines = read_lines(path)
    lines.insert(0, {**lines[0], "epoch": 0, "objective/value": np.nan, "val/score": np.nan})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    row = load(run).trials.loc[best]
    assert row["value"] == max(line["objective/value"] for line in lines[1:])


def test_a_run_without_any_report_or_trial_is_read(tmp_path):
    board_ = board(tmp_path / "run")
    empty = load(board_.folder.path)
    assert (empty.ranking, empty.best, empty.default, empty.common_rung(1)) == ([], None, None, None)
    add(board_, {"x": 0.1, "y": 0.1})
    started = load(board_.folder.path)
    assert started.trials.loc[0, ["status", "epochs"]].tolist() == ["running", 0]
    assert started.values_at(3).empty
    assert started.best is None


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is no run"):
        load(tmp_path)


def test_several_runs_at_once(finished_run, run):
    assert [item.path for item in load_all([finished_run, run])] == [finished_run, run]
