"""The test split of a run is scored once by a proof, and every look is in the ledger and on the card."""

import json
import math

import pytest

from analysis.export import main as export
from analysis.frames.experiment import PROOF_FOLDER, load
from analysis.proof.ledger import LEDGER
from benchmarks.curves import variant
from search import cluster
from tests.support import proofs
from tests.support.proofs import SPACE, retrain
from trainables.export.folder import CARD
from trainables.files import BEST_WEIGHTS, WEIGHTS, read_lines, trial_folder
from trainables.settings import UsageError


def test_the_test_split_is_seen_once_by_winner_and_default_alone(run_to_prove, capsys):
    retrain(run_to_prove, "top=2", "seeds=3")
    proof, looks = load(run_to_prove).proof, read_lines(run_to_prove / LEDGER)
    assert len(looks) == 1
    assert set(proof["test"]["winner"]) == {"1000", "1001", "1002"}
    assert len(proof["test"]["default"]) == 5
    assert proof["test"]["metric"] == "test/score"
    assert looks[0]["result"]["winner"] == proof["test"]["winner"]
    assert "test split, look 1" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"was looked at on .* for trial \d and the default, retrained; again=true"):
        retrain(run_to_prove, "top=2", "seeds=3", "test=true")
    retrain(run_to_prove, "top=2", "seeds=3")  # by itself it does not look twice
    with pytest.raises(UsageError, match="again=true"):
        export([f"run={run_to_prove}", f"to={run_to_prove}/x", "test=true"])
    assert read_lines(run_to_prove / LEDGER) == looks


def test_what_is_not_decided_leaves_the_test_split_closed_unless_asked_for(tmp_path, monkeypatch, capsys):
    run = proofs.search(tmp_path / "runs" / "noise", monkeypatch, **{**SPACE, "fixed": {"noise": 50.0}})
    retrain(run, "top=2", "seeds=3", "smallest_gain=1")
    assert load(run).proof["verdict"] == "not decided"
    assert "The test split was not looked at, as nothing is decided; test=true" in capsys.readouterr().out
    assert not (run / LEDGER).exists()
    retrain(run, "top=2", "seeds=3", "smallest_gain=1", "test=true")
    assert load(run).proof["test"]["looks"] == len(read_lines(run / LEDGER)) == 1


def test_a_decided_proof_does_not_look_where_somebody_has_looked_before(run_to_prove, capsys):
    export([f"run={run_to_prove}", f"to={run_to_prove}/x", "test=true"])
    retrain(run_to_prove, "top=2", "seeds=3")
    assert load(run_to_prove).proof["verdict"] == "better"
    assert load(run_to_prove).proof["test"] is None
    assert len(read_lines(run_to_prove / LEDGER)) == 1
    assert "looked at before, for something else; again=true" in capsys.readouterr().out


def test_a_second_look_must_be_asked_for_and_is_counted(run_to_prove, tmp_path):
    retrain(run_to_prove, "top=1", "seeds=2")
    retrain(run_to_prove, "top=1", "seeds=2", "again=true")
    assert load(run_to_prove).proof["test"]["looks"] == 2
    export([f"run={run_to_prove}", f"to={tmp_path}/out"])
    assert "has been looked at twice." in (tmp_path / "out" / CARD).read_text()


def test_without_test_the_split_is_left_alone_and_an_earlier_look_is_kept(run_to_prove):
    retrain(run_to_prove, "top=1", "seeds=2")
    earlier = load(run_to_prove).proof["test"]
    retrain(run_to_prove, "top=1", "seeds=3", "test=false")
    assert load(run_to_prove).proof["test"] == earlier
    assert len(read_lines(run_to_prove / LEDGER)) == 1


def test_a_damaged_entry_is_a_look_all_the_same(run_to_prove):
    retrain(run_to_prove, "top=1", "seeds=2")
    ledger = run_to_prove / LEDGER
    ledger.write_bytes(ledger.read_bytes()[:40] + b"\n")
    with pytest.raises(UsageError, match="looked at on a day that cannot be read for something"):
        retrain(run_to_prove, "top=1", "seeds=2", "test=true")
    retrain(run_to_prove, "top=1", "seeds=2", "again=true")
    assert load(run_to_prove).proof["test"]["looks"] == 2


def test_a_look_by_another_process_meanwhile_ends_this_one(run_to_prove, monkeypatch):
    run_trials = cluster.run_trials

    def meanwhile(*arguments):
        run_trials(*arguments)
        export([f"run={run_to_prove}", f"to={run_to_prove}/x", "test=true"])

    monkeypatch.setattr(cluster, "run_trials", meanwhile)
    with pytest.raises(UsageError, match=r"looked at on .* for trial \d; again=true"):
        retrain(run_to_prove, "top=1", "seeds=2", "test=true")
    assert len(read_lines(run_to_prove / LEDGER)) == 1


def test_a_kill_after_the_look_was_entered_does_not_lose_it(run_to_prove):
    retrain(run_to_prove, "top=1", "seeds=2")
    test_result = load(run_to_prove).proof["test"]
    path = run_to_prove / PROOF_FOLDER / "proof.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "test": None}))
    retrain(run_to_prove, "top=1", "seeds=2", "test=false")
    assert load(run_to_prove).proof["test"] == test_result


def test_a_health_metric_as_goal_is_found_on_the_test_split(tmp_path, monkeypatch):
    parts = {**SPACE, "objective": {"metric": "health/excess", "mode": "min"}}
    run = proofs.search(tmp_path / "runs" / "health", monkeypatch, **parts)
    retrain(run, "top=1", "seeds=2")
    assert load(run).proof["test"]["metric"] == "test/health/excess"
    assert len(load(run).proof["test"]["winner"]) == 2


def test_what_the_test_split_cannot_say_is_entered_and_shown_as_not_known(run_to_prove, monkeypatch, tmp_path, capsys):
    evaluate = variant.Curves.evaluate
    monkeypatch.setattr(
        variant.Curves,
        "evaluate",
        lambda self, split: {**evaluate(self, split), **({"score": math.nan} if split == "test" else {})},
    )
    retrain(run_to_prove, "top=1", "seeds=2")
    assert "gain not known" in capsys.readouterr().out
    assert len(read_lines(run_to_prove / LEDGER)) == 1
    export([f"run={run_to_prove}", f"to={tmp_path}/out"])
    assert "gain not known" in (tmp_path / "out" / CARD).read_text()


def test_weights_that_are_gone_are_named_before_anybody_looks(run_to_prove):
    retrain(run_to_prove, "top=1", "seeds=2", "test=false")
    (trial_folder(run_to_prove / PROOF_FOLDER, 1) / BEST_WEIGHTS).unlink()
    with pytest.raises(UsageError, match=r"trial_0001.*is gone; move its folder away"):
        retrain(run_to_prove, "top=1", "seeds=2")
    assert not (run_to_prove / LEDGER).exists()


def test_the_winners_best_seed_is_exported_with_the_proof_on_its_card(run_to_prove, tmp_path):
    retrain(run_to_prove, "top=2", "seeds=2")
    proof = load(run_to_prove).proof
    assert export([f"run={run_to_prove}", f"to={tmp_path}/out"]) == 0
    best = next(item for item in proof["candidates"] if item["trial"] == proof["winner"])
    seed = max(best["values"], key=best["values"].get)
    weights = trial_folder(run_to_prove / PROOF_FOLDER, best["trainings"][seed]) / BEST_WEIGHTS
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == weights.read_bytes()
    card = (tmp_path / "out" / CARD).read_text()
    for phrase in (
        f"trained again with seed {seed}",
        proof["sentence"],
        "seeds 1000, 1001",
        "## Learning curves",
        "looked at once",
        f"| test/score | {proof['test']['winner'][seed]:.4g} |",
    ):
        assert phrase in card
    assert export([f"run={run_to_prove}", f"to={tmp_path}/default", "trial=0"]) == 0
    assert "Settings of the default settings of the run" not in (tmp_path / "default" / CARD).read_text()
