"""An export: the right trial's weights and metrics, and a test split that is looked at once."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from analysis.best import rank_trials
from analysis.export import main
from analysis.frames.experiment import load
from analysis.proof.ledger import LEDGER
from benchmarks.curves import variant
from search.record import RunFolder
from search.scheduler import settle
from tests.support.repository import ROOT
from tests.support.simulated import add, board, by_training, reopened
from trainables import train
from trainables.export.folder import CARD, read_report
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS, CONFIG, METRICS, RESULT, WEIGHTS, read_lines, trial_folder
from trainables.settings import UsageError

X = {"x": 0.3, "y": 0.7}


def export(run, to, *words):
    return main([f"run={run}", f"to={to}", *words])


def figures(folder):
    return json.loads((folder / METRICS).read_text())


def test_the_best_trial_is_exported_with_all_that_is_needed(run, tmp_path):
    assert export(run, tmp_path / "out") == 0
    folder = RunFolder.open(run)
    best = int(rank_trials(load(folder.path)).index[0])
    trial, recipe = folder.trial(best), Recipe.read(tmp_path / "out" / CONFIG, {}, {})
    assert {path_.name for path_ in (tmp_path / "out").iterdir()} == {CONFIG, WEIGHTS, METRICS, CARD}
    assert recipe.config == folder.space().config(trial.params)
    assert (recipe.seed, recipe.objective, recipe.data) == (0, folder.space().objective, folder.space().data)
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == (trial_folder(run, best) / BEST_WEIGHTS).read_bytes()
    report = figures(tmp_path / "out")["report"]
    assert report["val/score"] == rank_trials(load(folder.path)).loc[best, "val/score"]
    assert not any(key.startswith("test/") for key in report)
    assert figures(tmp_path / "out")["origin"].startswith(f"Trial {best} of the run mine; not trained again")


def test_the_card_tells_people_the_same(run, tmp_path):
    export(run, tmp_path / "out")
    card = (tmp_path / "out" / CARD).read_text()
    report = figures(tmp_path / "out")["report"]
    config = Recipe.read(tmp_path / "out" / CONFIG, {}, {}).config
    for key in ("val/score", "val/cost", "health/grad_norm"):
        assert f"| {key} | {report[key]:.4g} |" in card
    assert f"| x | 0.9 | {config.x:.4g} |" in card
    assert f"Weights of epoch {report['epoch']} of 3, best by val/score." in card
    assert "| lr |" not in card  # it is the default's
    assert f"config={tmp_path / 'out' / CONFIG}" in card


def test_an_export_can_be_trained_in_full(run, tmp_path):
    export(run, tmp_path / "out")
    assert train.main([f"config={tmp_path / 'out' / CONFIG}", "epochs=5", "device=cpu"]) == 0
    assert len(read_lines(tmp_path / "out" / "trained" / RESULT)) == 5


@pytest.mark.parametrize("name", ["an export", """it's "mine" $HOME"""])
def test_the_card_of_an_export_can_be_followed_from_anywhere(run, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    export(run, name)
    card = (tmp_path / name / CARD).read_text()
    (tmp_path / "elsewhere").mkdir()
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL).group(1)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "score" in done.stdout
    command = next(line for line in card.splitlines() if line.startswith("    python -m trainables.train"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert train.main([*shlex.split(command)[3:], "device=cpu"]) == 0
    assert (tmp_path / name / "trained" / RESULT).is_file()


def test_another_trial_can_be_asked_for(run, tmp_path):
    export(run, tmp_path / "out", "trial=0")
    assert Recipe.read(tmp_path / "out" / CONFIG, {}, {}).config.x == 0.9
    assert load_file(tmp_path / "out" / WEIGHTS).keys() == {"weight.weight", "weight.bias"}


# -- the test split ----------------------------------------------------------------------------------------------


def test_the_test_split_is_looked_at_once(run, tmp_path, capsys):
    assert export(run, tmp_path / "one", "test=true") == 0
    report = figures(tmp_path / "one")["report"]
    assert "test/score" in report
    assert "test/score" in capsys.readouterr().out
    ledger = read_lines(run / LEDGER)
    assert [(look["for"], look["result"]["test/score"]) for look in ledger] == [
        (f"trial {rank_trials(load(run)).index[0]}", report["test/score"])
    ]
    with pytest.raises(UsageError, match=r"test split of mine was looked at on .* for trial \d; again=true looks"):
        export(run, tmp_path / "two", "trial=0", "test=true")
    assert not (tmp_path / "two").exists()
    assert read_lines(run / LEDGER) == ledger


def test_a_second_look_is_counted_on_the_card(run, tmp_path):
    for to, words in (("one", []), ("two", ["again=true", "trial=0"]), ("three", ["again=true"])):
        export(run, tmp_path / to, "test=true", *words)
    cards = [(tmp_path / to / CARD).read_text() for to in ("one", "two", "three")]
    assert [re.search(r"looked at (once|twice|\d times)\.", card).group(1) for card in cards] == [
        "once",
        "twice",
        "3 times",
    ]
    assert [look["for"] for look in read_lines(run / LEDGER)][1] == "trial 0"


def test_an_export_without_a_look_needs_no_leave_and_tells_of_earlier_ones(run, tmp_path):
    export(run, tmp_path / "one", "test=true")
    export(run, tmp_path / "two")
    assert not any(key.startswith("test/") for key in figures(tmp_path / "two")["report"])
    assert "looked at once." in (tmp_path / "two" / CARD).read_text()
    assert len(read_lines(run / LEDGER)) == 1


def test_without_a_look_no_test_split_is_built(run, tmp_path, monkeypatch):
    splits_built = []
    original = variant.Curves.__init__

    def spying(self, config, data, context):
        splits_built.append(context.splits)
        original(self, config, data, context)

    monkeypatch.setattr(variant.Curves, "__init__", spying)
    export(run, tmp_path / "one")
    export(run, tmp_path / "two", "test=true")
    assert splits_built == [("train", "val"), ("train", "val", "test")]


# -- refusals ----------------------------------------------------------------------------------------------------


def test_a_trial_that_is_not_there_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match=r"trial=99 of .*mine has no weights; `python -m analysis\.best` lists"):
        export(run, tmp_path / "out", "trial=99")
    assert not (tmp_path / "out").exists()


def test_a_run_without_results_says_where_to_look(tmp_path):
    simulation = board(tmp_path / "run")
    with pytest.raises(UsageError, match=r"no trial with a result; failures\.csv"):
        export(simulation.folder.path, tmp_path / "out")


def test_metrics_are_those_of_the_exported_weights_after_a_kill_before_the_last_report(tmp_path):
    simulation = board(tmp_path / "run", budget={"trials": 1, "max_epochs": 3, "grace_epochs": 3})
    add(simulation, X)
    list(by_training(simulation, {"trial": 0, "params": X}))
    path = trial_folder(simulation.folder.path, 0) / RESULT
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))  # the checkpoint had been written
    resumed = reopened(simulation.folder.path)
    settle(resumed)
    assert resumed.waiting == [0]
    assert list(by_training(resumed, {"trial": 0, "params": X})) == []  # nothing is left to train
    assert [line["epoch"] for line in read_lines(path)] == [1, 2, 3]
    resumed = reopened(simulation.folder.path)
    settle(resumed)
    assert resumed.trials[0].status == "finished"
    export(simulation.folder.path, tmp_path / "out")
    weights = read_report(trial_folder(simulation.folder.path, 0) / BEST_WEIGHTS)
    assert figures(tmp_path / "out")["report"]["epoch"] == weights["epoch"] == 3
