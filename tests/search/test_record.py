"""What a run leaves on disk can be read after a kill at any moment, and holds all that was asked for."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from search.provenance import describe_environment
from search.record import RunFolder
from search.request import read
from search.scheduler import settle
from search.space import Space, with_trials
from tests.support.repository import ROOT
from tests.support.simulated import add, board, known, reopened, report, search, space
from trainables.failures import Failure, read_failure
from trainables.files import OLD_RESULT, RESULT, append_line, trial_folder
from trainables.settings import UsageError

X = {"x": 0.3, "y": 0.7}


def test_a_run_is_read_back_as_it_was_made(tmp_path):
    made = space(constraints={"val/cost": 0.5})
    RunFolder.create(tmp_path / "run", {"seed": 7, "space_name": "curves", "cpus": None}, made)
    folder = RunFolder.open(str(tmp_path / "run"))
    assert folder.settings() == {"seed": 7, "space_name": "curves", "cpus": None}
    assert folder.space() == made
    assert folder.trials() == []


def test_the_space_in_a_run_is_a_space_file(tmp_path):
    made = space(params={"lr": {"loguniform": [1e-5, 1e-3]}, "x": {"uniform": [0, 1], "when": {"kind": "plain"}}})
    RunFolder.create(tmp_path / "run", {"space_name": "curves"}, made)
    loaded = Space.load(str(tmp_path / "run" / "space.yaml"))
    assert (loaded.dimensions, loaded.fixed, loaded.budget) == (made.dimensions, made.fixed, made.budget)


def test_a_name_that_is_taken_is_refused_with_the_way_to_go_on(tmp_path):
    board(tmp_path / "run")
    with pytest.raises(UsageError, match=r"exists: resume it with resume=.*run, or choose another name="):
        board(tmp_path / "run")


def test_what_is_no_run_is_answered_with_the_runs_nearby(tmp_path):
    board(tmp_path / "curves-0101")
    board(tmp_path / "curves-0102")
    (tmp_path / "notes").mkdir()
    for path in (tmp_path / "curves-0103", tmp_path / "notes"):
        with pytest.raises(UsageError, match=rf"{path.name} is no run .*: curves-0101, curves-0102\.$"):
            RunFolder.open(path)
    with pytest.raises(UsageError, match=r"give the folder that search\.run printed\.$"):
        RunFolder.open("/no/such/folder")


def test_an_extended_run_stays_extended(tmp_path):
    on = board(tmp_path / "run")
    on.folder.write_space(with_trials(on.folder.space(), 30))
    assert RunFolder.open(tmp_path / "run").space().budget.trials == 30


@pytest.mark.parametrize(("trials", "named"), [(0, "trials=0"), ("many", "trials=many"), (1, "has 2 trials")])
def test_a_number_of_trials_that_cannot_be_leaves_the_run_as_it_was(tmp_path, trials, named):
    on = board(tmp_path / "run")
    on.folder.write_settings({"space": "curves", "space_name": "curves"})
    for _ in range(2):
        add(on, X)
    with pytest.raises(UsageError, match=named):
        read([f"resume={tmp_path / 'run'}", f"budget.trials={trials}"], now="")
    assert RunFolder.open(tmp_path / "run").space().budget.trials == 12


def test_a_run_belongs_to_one_process_at_a_time(tmp_path):
    on = board(tmp_path / "run")
    with on.folder.lock(), pytest.raises(UsageError, match="run by another process"), on.folder.lock():
        pass
    with on.folder.lock():  # and is free again
        pass


def test_a_trial_is_on_disk_from_its_beginning_to_its_end(tmp_path):
    on = board(tmp_path / "run")
    before = time.time()
    add(on, X, origin="model of epoch 3")
    begun = on.folder.trial(0)
    assert (begun.params, begun.origin, begun.status, begun.ended) == (X, "model of epoch 3", "running", None)
    assert begun.started >= before
    append_line(trial_folder(on.folder.path, 0) / RESULT, {"epoch": 1, "objective/value": 0.5})
    on.end(0, "stopped", "patience", "patience: no better for 2 epochs")
    ended = on.folder.trial(0)
    assert (ended.status, ended.cause, ended.reason) == ("stopped", "patience", "patience: no better for 2 epochs")
    assert ended.ended >= ended.started == begun.started
    assert ended.at(1)["objective/value"] == 0.5
    assert ended.at(2) is None


def test_failures_are_listed_with_reason_and_folder(tmp_path):
    on = board(tmp_path / "run")
    add(on, X, epochs=9, ended="finished", cause="budget")
    assert not (on.folder.path / "failures.csv").exists()
    for reason in ("loss became nan, in epoch 2", 'said "no"\nand more'):
        number = add(on, X).number
        append_line(trial_folder(on.folder.path, number) / RESULT, {"epoch": 1})
        on.end(number, "failed", "error", reason)
    with (on.folder.path / "failures.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["trial"], row["epochs"], row["folder"]) for row in rows] == [
        ("1", "1", "trial_0001"),
        ("2", "1", "trial_0002"),
    ]
    assert [row["reason"] for row in rows] == ["loss became nan, in epoch 2", 'said "no"\nand more']


def test_a_failed_trial_is_run_again_and_what_failed_stays_on_record(tmp_path):
    on = board(tmp_path / "run")
    add(on, X, epochs=9, ended="finished", cause="budget")
    for reason in ("OSError: full", "OSError: full again"):
        number = 1 if 1 in on.trials else add(on, X).number
        folder = trial_folder(on.folder.path, number)
        append_line(folder / RESULT, {"epoch": 1})
        Failure(reason, "environment", "ENOSPC").write(folder, "traceback")
        on.waiting.clear()
        on.end(number, "failed", "environment", reason, "ENOSPC")
        on = reopened(on.folder.path)
        on.retry_failures()
        assert on.waiting == [1]
        assert read_failure(folder) is None
    record = reopened(on.folder.path).trials[1]
    assert (record.status, record.cause, record.reason, record.ended, record.errno) == ("running", *[None] * 4)
    assert [failure["reason"] for failure in record.earlier_failures] == ["OSError: full", "OSError: full again"]
    assert reopened(on.folder.path).waiting == [1]  # and a kill does not make it wait for ever
    on.end(1, "failed", "error", "loss became nan")
    with (on.folder.path / "failures.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["trial"], row["cause"], row["reason"], row["retried"]) for row in rows] == [
        ("1", "environment", "OSError: full", "yes"),
        ("1", "environment", "OSError: full again", "yes"),
        ("1", "error", "loss became nan", "no"),
    ]


def test_an_old_run_is_read_with_its_reports(tmp_path):
    on = board(tmp_path / "run")
    add(on, X)
    folder = trial_folder(on.folder.path, 0)
    old = {"number": 0, "params": X, "origin": "default", "status": "running", "cause": None, "reason": None}
    (folder / "trial.json").write_text(json.dumps(old))
    append_line(folder / OLD_RESULT, report(on.space, X, 1))
    assert [line["epoch"] for line in reopened(on.folder.path).trials[0].reports] == [1]


def test_a_torn_report_is_left_out(tmp_path):
    on = board(tmp_path / "run")
    add(on, X)
    path = trial_folder(on.folder.path, 0) / RESULT
    append_line(path, report(on.space, X, 1))
    with path.open("a") as file:
        file.write('{"epoch": 2, "val/sc')
    assert [line["epoch"] for line in reopened(on.folder.path).trials[0].reports] == [1]


@pytest.mark.parametrize(
    "damage", [b"{", b"\xff", b"[]", b"7", b"{}", b'{"params": {}}', b'{"number": 0, "origin": "random", "params": 1}']
)
def test_a_trial_that_cannot_be_read_is_named_with_the_way_out(tmp_path, damage):
    on = board(tmp_path / "run")
    add(on, X)
    (trial_folder(on.folder.path, 0) / "trial.json").write_bytes(damage)
    with pytest.raises(UsageError, match=r"trial_0000/trial\.json cannot be read .*move its folder away"):
        on.folder.trials()


def test_what_a_newer_version_recorded_of_a_trial_is_left_out(tmp_path):
    on = board(tmp_path / "run")
    add(on, X)
    path = trial_folder(on.folder.path, 0) / "trial.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "node": "10.0.0.1", "reports": "elsewhere"}))
    assert known(on.folder.trial(0)) == known(on.trials[0])
    assert on.folder.trial(0).reports == ()


ENDLESS = """
import sys
from pathlib import Path
from tests.support.simulated import board, search
search(board(Path(sys.argv[1]), budget={"trials": 100000}, searcher={"kind": "random"}), concurrent=4)
"""


def test_a_run_that_is_killed_can_be_read_and_goes_on(tmp_path):
    path = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path / "run")], env={**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / "trial_0020").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    on = reopened(tmp_path / "run")
    left = {number: known(trial) for number, trial in on.trials.items()}
    assert list(left) == list(range(len(left)))
    assert len(left) >= 20
    assert len(on.waiting) <= 4
    again = reopened(tmp_path / "run")
    again.space = with_trials(on.folder.space(), len(left) + 2)
    settle(again)
    search(again, concurrent=4)
    assert again.count("running") == 0
    assert len(again.trials) == len(left) + 2
    for number, trial in left.items():
        assert known(again.trials[number])[:3] == trial[:3]
        epochs = [line["epoch"] for line in again.folder.trial(number).reports]
        assert epochs == list(range(1, len(epochs) + 1))


def test_the_environment_says_what_a_result_may_depend_on():
    found = describe_environment(["search.run", "space=curves"])
    assert found["command"] == "search.run space=curves"
    assert found["packages"]["optuna"]
    assert json.loads(json.dumps(found)) == found
