"""The lines of result files: damaged ones are skipped, missing columns of the objective computed."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.frames.experiment import load
from trainables.files import RESULT, read_lines, trial_folder


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
def test_what_older_runs_did_not_report_is_computed(finished_run, run, trials):
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
