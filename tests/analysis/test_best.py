"""The ranking of a run's trials, from its text files alone."""

import pickle

import pandas as pd
import pytest

from analysis.best import main, rank_trials
from analysis.export import main as export
from analysis.frames.experiment import load
from search.record import RunFolder
from tests.support.simulated import add, board
from tests.support.written import curve, trial, write_run
from trainables.files import RESULT, read_lines
from trainables.settings import UsageError


def reports(run):
    return {int(path.name[-4:]): read_lines(path / RESULT) for path in run.glob("trial_*")}


def test_the_run_that_these_tests_read_has_everything_in_it(finished_run):
    trials = RunFolder.open(finished_run).trials()
    assert {trial.status for trial in trials} == {"finished", "stopped", "failed"}
    frame = rank_trials(load(finished_run))
    assert set(frame["feasible"]) == {True, False}


def test_trials_are_ranked_by_their_best_epoch_feasible_ones_first(finished_run):
    frame = rank_trials(load(finished_run))
    failed = {trial.number for trial in RunFolder.open(finished_run).trials() if trial.status == "failed"}
    best = {}
    for number, lines in reports(finished_run).items():
        if number not in failed:
            best[number] = max((-max(0.0, line["val/cost"] - 0.6), line["val/score"]) for line in lines)
    assert list(frame.index) == sorted(best, key=lambda number: best[number], reverse=True)
    assert not failed & set(frame.index)
    for number, (slack, value) in best.items():
        assert frame.loc[number, "val/score"] == value
        assert frame.loc[number, "feasible"] == (slack == 0)


def test_a_row_says_where_the_trial_was_best_and_what_it_was(finished_run):
    frame = rank_trials(load(finished_run))
    lines = reports(finished_run)
    for number, row in frame.iterrows():
        line = lines[number][row["epoch"] - 1]
        assert row["val/score"] == line["val/score"]
        assert row["epochs"] == len(lines[number])
        trial = RunFolder.open(finished_run).trial(number)
        assert {name: row[name] for name in trial.params} == trial.params
        assert row["status"] == trial.status


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_direction_decides_and_equals_keep_their_order(tmp_path, mode):
    simulation = board(tmp_path / "run", objective={"metric": "val/cost", "mode": mode})
    for x in (0.2, 0.5, 0.2):
        number = add(simulation, {"x": x, "y": 0.5}).number
        (tmp_path / "run" / f"trial_{number:04d}" / RESULT).write_text(
            f'{{"epoch": 1, "val/cost": {x}, "objective/value": {x}, "objective/violation": 0.0, '
            f'"objective/feasible": 1.0, "time/total_s": 1.0}}\n'
        )
    frame = rank_trials(load(simulation.folder.path))
    assert list(frame.index) == ([1, 0, 2] if mode == "max" else [0, 2, 1])
    assert set(frame["status"]) == {"running"}  # a run is ranked while it is searched


def test_the_command_prints_the_best_and_writes_all(run, tmp_path, capsys):
    assert main([f"run={run}", "top=2"]) == 0
    frame = rank_trials(load(run))
    table = pd.read_csv(run / "best.csv", index_col="trial")
    assert list(table.index) == list(frame.index)
    assert table["val/score"].to_numpy() == pytest.approx(frame["val/score"].to_numpy())
    output = capsys.readouterr().out
    assert [int(line.split()[0]) for line in output.splitlines()[2:4]] == list(frame.index[:2])
    assert f"{len(frame)} trials; the whole ranking is in {run / 'best.csv'}" in output

    assert main([f"run={run}", f"csv={tmp_path / 'elsewhere.csv'}"]) == 0
    assert (tmp_path / "elsewhere.csv").read_text() == (run / "best.csv").read_text()


class Trap:
    """Unpickled, it leaves a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_nothing_is_unpickled(run, tmp_path):
    sprung = tmp_path / "sprung"
    for folder in (run, run / "trial_0000"):
        for name in ("tuner.pkl", "trainable.pkl", "searcher-state.pkl", "last.pt", "params.pkl"):
            (folder / name).write_bytes(pickle.dumps(Trap(sprung)))
    assert main([f"run={run}"]) == 0
    assert export([f"run={run}", f"to={tmp_path / 'export'}", "test=true"]) == 0
    assert not sprung.exists()
    pickle.loads((run / "tuner.pkl").read_bytes())
    assert sprung.exists()  # the trap works


def test_a_single_trial_is_counted_as_one(tmp_path, capsys):
    experiment = write_run(tmp_path, [trial(curve(0.5))])
    assert main([f"run={experiment.path}"]) == 0
    assert "\n  1 trial; the whole ranking is in " in capsys.readouterr().out


def test_a_run_without_results_says_so(tmp_path):
    simulation = board(tmp_path / "run")
    with pytest.raises(UsageError, match="has no trial with a result yet"):
        main([f"run={simulation.folder.path}"])


@pytest.mark.parametrize(
    ("words", "message"),
    [(["run=/no/such"], "is no run"), (["top=3"], "run is required"), (["run=x", "tpo=3"], "did you mean 'top'")],
)
def test_what_cannot_be_used_is_named(words, message):
    with pytest.raises(UsageError, match=message):
        main(words)
