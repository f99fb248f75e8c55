"""A run as frames: against its own files read one by one, and whatever state these are in."""

import json

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
    simulation = board(tmp_path / "run", objective={"metric": "val/score", "mode": "min"})
    search(simulation)
    experiment = load(simulation.folder.path)
    assert experiment.best == simulation.best()
    row = experiment.trials.loc[experiment.best]
    assert row["value"] == experiment.curve(experiment.best).min()
    assert row["best_epoch"] == experiment.curve(experiment.best).idxmin()


def test_values_at_a_rung_are_those_of_that_epoch_and_the_last_ones_of_trials_that_had_settled(tmp_path):
    simulation = board(tmp_path / "run")
    for number, (ended, cause) in enumerate([("finished", "budget"), ("stopped", "scheduler"), ("stopped", "health")]):
        trial = add(simulation, {"x": 0.5, "y": 0.5 - 0.1 * number})
        results = by_formula(simulation, {"trial": trial.number, "params": trial.params})
        for _ in range(9 if ended == "finished" else 4):
            simulation.report(trial.number, next(results))
        simulation.end(trial.number, ended, cause, f"{cause}: for the test")
    experiment = load(simulation.folder.path)
    reports = {n: read_lines(trial_folder(simulation.folder.path, n) / RESULT) for n in range(3)}
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
    ("count", "sentence"),
    [
        (1, "the 1 failed trial is known from its own record."),
        (2, "the 2 failed trials are known from their own records."),
    ],
)
def test_failed_trials_are_known_without_their_list(tmp_path, count, sentence):
    simulation = board(tmp_path / "run")
    for _ in range(count):
        add(simulation, {"x": 0.1, "y": 0.1}, ended="failed", cause="error")
    (simulation.folder.path / FAILURES).unlink()
    assert f"{FAILURES} is missing; {sentence}" in load(simulation.folder.path).problems


def test_a_run_without_any_report_or_trial_is_read(tmp_path):
    simulation = board(tmp_path / "run")
    empty = load(simulation.folder.path)
    assert (empty.ranking, empty.best, empty.default, empty.common_rung(1)) == ([], None, None, None)
    add(simulation, {"x": 0.1, "y": 0.1})
    started = load(simulation.folder.path)
    assert started.trials.loc[0, ["status", "epochs"]].tolist() == ["running", 0]
    assert started.values_at(3).empty
    assert started.best is None


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is no run"):
        load(tmp_path)


def test_several_runs_at_once(finished_run, run):
    assert [item.path for item in load_all([finished_run, run])] == [finished_run, run]
