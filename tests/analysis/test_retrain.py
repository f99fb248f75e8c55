"""The proof, without Ray: what is planned, how it is judged, that it goes on, and that the test split is seen once."""

import contextlib
import json
import math
import shutil
from collections import Counter
from itertools import pairwise

import pytest

from analysis.export import main as export
from analysis.frames.experiment import PROOF_FOLDER, load
from analysis.proof.judgement import judge
from analysis.proof.ledger import LEDGER
from analysis.proof.statistics import best_gain
from analysis.retrain import FIRST_SEED, main, plan_trainings
from benchmarks.curves import variant
from search import cluster
from search.placement import Machine
from search.record import RunFolder
from tests.support import simulated
from tests.support.simulated import PARAMS, add, board, by_training
from trainables.export.folder import CARD
from trainables.files import BEST_WEIGHTS, WEIGHTS, read_lines, trial_folder
from trainables.objective import Goal
from trainables.settings import UsageError

SPACE = {
    "params": PARAMS,
    "fixed": {"noise": 0.01},
    "budget": {"trials": 5, "max_epochs": 3, "grace_epochs": 1},
}


@pytest.fixture
def search_run(tmp_path, monkeypatch):
    """Search a run to prove; its Ray trains one trial after the other, and is interrupted after `reports` reports."""
    return _search(tmp_path / "runs" / "mine", monkeypatch, **SPACE)


def _search(path, monkeypatch, **parts):
    board_ = board(path, **parts)
    simulated.search(board_, train=by_training)

    @contextlib.contextmanager
    def connect(run):
        yield Machine(2, 0)

    def trained(run, board, machine, line, proposal, processes):
        simulated.search(board, proposal=proposal, train=by_training, reports=RAY["reports"])
        RAY["processes"] = processes

    monkeypatch.setattr(cluster, "connect", connect)
    monkeypatch.setattr(cluster, "run_trials", trained)
    RAY.update(reports=math.inf)
    return path


RAY = {"reports": math.inf, "processes": 0}


def retrain(run, *words):
    return main([f"run={run}", "quiet=true", *words])


def trainings(run):
    return RunFolder.open(run / PROOF_FOLDER).trials()


# -- what is trained ---------------------------------------------------------------------------------------------


def test_the_best_trials_and_the_default_are_planned_over_fresh_seeds(search_run):
    experiment = load(search_run)
    plan = plan_trainings(experiment, 3, 5, Goal("val/score"))
    best = [trial for trial in experiment.ranking if trial != 0][:3]
    count = Counter(item.origin for item in plan)
    assert count == {"default": 9, **{f"trial {trial}": 5 for trial in best}}
    for trial in best:
        proposals = [item for item in plan if item.origin == f"trial {trial}"]
        assert [item.seed for item in proposals] == [*range(FIRST_SEED, FIRST_SEED + 5)]
        assert all(item.params == experiment.folder.trial(trial).params for item in proposals)
    assert all(item.params == experiment.space.default_params() for item in plan if item.origin == "default")
    assert experiment.run["seed"] not in {item.seed for item in plan}


def test_a_seed_that_the_search_used_is_not_fresh(search_run):
    experiment = load(search_run)
    experiment.run["seed"] = FIRST_SEED + 1
    seeds = {item.seed for item in plan_trainings(experiment, 1, 2, Goal("val/score"))}
    assert seeds == {FIRST_SEED, FIRST_SEED + 2}


def test_a_run_whose_only_result_is_the_default_has_nothing_to_prove(tmp_path):
    board_ = board(tmp_path / "run")
    add(board_, board_.space.default_params(), epochs=3)
    with pytest.raises(UsageError, match="no trial with a result yet but the default"):
        main([f"run={board_.folder.path}"])


def test_every_training_has_its_own_seed_and_the_full_budget(search_run):
    retrain(search_run, "top=2", "seeds=2", "epochs=4")
    trials_of_proof = trainings(search_run)
    assert {trial.status for trial in trials_of_proof} == {"finished"}
    assert {len(trial.reports) for trial in trials_of_proof} == {4}
    assert RAY["processes"] == 1
    by_seed = {trial.seed: trial.reports[-1]["val/score"] for trial in trials_of_proof if trial.origin == "default"}
    assert len(set(by_seed.values())) == 3  # the seed moves the result


def test_processes_follow_whole_gpus(search_run):
    retrain(search_run, "top=1", "seeds=2", "gpus_per_trial=2", "test=false")
    assert RAY["processes"] == 2


# -- how it is judged --------------------------------------------------------------------------------------------


def test_the_winner_has_the_best_mean_and_the_interval_that_statistics_give(search_run):
    retrain(search_run, "top=2", "seeds=3")
    proof, trials_of_proof = load(search_run).proof, trainings(search_run)
    values = {}
    for trial in trials_of_proof:
        number = 0 if trial.origin == "default" else int(trial.origin.split()[1])
        values.setdefault(number, {})[trial.seed] = max(report["val/score"] for report in trial.reports)
    candidates = [number for number in sorted(values) if number]
    winner, gain = best_gain([values[number] for number in candidates], values[0])
    assert proof["winner"] == candidates[winner]
    assert proof["gain"] == gain.as_dict()
    assert proof["default"]["values"] == {str(seed): value for seed, value in values[0].items()}
    best = next(item for item in proof["candidates"] if item["trial"] == proof["winner"])
    searched_value = load(search_run).trials.loc[proof["winner"], "value"]
    assert best["optimism"] == pytest.approx(searched_value - best["mean"])


def test_better_is_said_first(search_run, capsys):
    assert retrain(search_run, "top=2", "seeds=3") == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.strip().startswith("Better than the default: trial")
    assert "on one seed" in second


def test_no_better_is_a_result_and_said_first(tmp_path, monkeypatch, capsys):
    run = _search(tmp_path / "runs" / "noise", monkeypatch, **{**SPACE, "fixed": {"noise": 50.0}})
    assert retrain(run, "top=2", "seeds=3") == 0
    assert capsys.readouterr().out.strip().startswith("No better than the default: trial")
    assert load(run).proof["verdict"] == "no better"


def test_a_smaller_metric_wins_where_smaller_is_better(tmp_path, monkeypatch):
    parts = {**SPACE, "objective": {"metric": "val/cost", "mode": "min"}}
    run = _search(tmp_path / "runs" / "min", monkeypatch, **parts)
    retrain(run, "top=2", "seeds=2", "test=false")
    proof = load(run).proof
    means = {item["trial"]: item["mean"] for item in proof["candidates"]}
    assert means[proof["winner"]] == min(means.values())
    assert proof["verdict"] == "better"  # the default's x is 0.9, which costs most
    assert proof["gain"]["value"] > 0


def test_a_candidate_that_fails_on_a_seed_or_violates_a_constraint_does_not_win(tmp_path):
    board_ = board(
        tmp_path / "run", constraints={"val/cost": 0.5}, **{**SPACE, "budget": {"trials": 9, "max_epochs": 3}}
    )
    steady, wasteful, shaky = {"x": 0.4, "y": 0.5}, {"x": 0.6, "y": 0.7}, {"x": 0.3, "y": 0.7}
    plan = [({"x": 0.5, "y": 0.1}, "default"), (steady, "trial 1"), (wasteful, "trial 2"), (shaky, "trial 3")]
    number = 0
    for seed in (7, 8):
        for params, origin in plan:
            board_.begin(params, origin, seed)
            list(by_training(board_, {"trial": number, "params": params, "seed": seed}))
            failed = origin == "trial 3" and seed == 8
            board_.end(number, "failed" if failed else "finished", "error" if failed else "budget", "for the test")
            number += 1
    experiment = load(board_.folder.path)
    plan_keys = {(origin, seed) for _, origin in plan for seed in (7, 8)}
    proof = judge(experiment, experiment, Goal("val/score"), plan_keys)
    candidates = {item.trial: item for item in proof.candidates}
    assert proof.winner == 1
    assert not candidates[2].feasible
    assert candidates[3].failed == (8,)
    assert list(candidates[3].values) == [7]


def test_a_proof_that_one_seed_cannot_give_is_not_claimed(search_run, capsys):
    retrain(search_run, "top=1", "seeds=1", "test=false")
    assert "Not proved" in capsys.readouterr().out
    assert load(search_run).proof["gain"]["low"] is None


def test_where_the_default_failed_on_all_seeds_nothing_is_judged(tmp_path):
    board_ = board(tmp_path / "run", **SPACE)
    for number, origin in enumerate(["default", "trial 1"]):
        board_.begin({"x": 0.4, "y": 0.5}, origin, 7)
        list(by_training(board_, {"trial": number, "params": {"x": 0.4, "y": 0.5}, "seed": 7}))
        board_.end(number, "finished" if number else "failed", "budget", "for the test")
    experiment = load(board_.folder.path)
    proof = judge(experiment, experiment, Goal("val/score"), {("default", 7), ("trial 1", 7)})
    assert proof.winner is None
    assert "no candidate has a result on the seeds of the default" in proof.sentence
    json.dumps(proof.as_dict(), allow_nan=False)


def test_the_search_s_figure_is_called_optimistic_only_for_the_same_number_of_epochs(search_run, capsys):
    retrain(search_run, "top=1", "seeds=2", "epochs=4", "test=false")
    assert "within 3 epochs, not 4: they cannot be compared" in capsys.readouterr().out
    assert load(search_run).proof["candidates"][0]["optimism"] is None


def test_another_goal_chooses_and_judges(tmp_path, monkeypatch):
    goals = [{"metric": "val/score"}, {"metric": "val/cost", "mode": "min"}]
    parts = {**SPACE, "objective": goals, "scheduler": {"kind": "none"}}
    run = _search(tmp_path / "runs" / "two", monkeypatch, **parts)
    experiment = load(run)
    cheap = experiment.trials["val/cost"].drop(0).nsmallest(2).index
    plan = plan_trainings(experiment, 2, 1, Goal("val/cost", "min"))
    assert {item.origin for item in plan} == {"default", *(f"trial {trial}" for trial in cheap)}
    retrain(run, "top=2", "seeds=2", "goal=val/cost", "test=false")
    assert load(run).proof["winner"] == cheap[0]


def test_repeated_settings_and_trials_whose_record_is_lost_are_no_candidates(search_run):
    experiment = load(search_run)
    best = next(trial for trial in experiment.ranking if trial)
    rest = [trial for trial in experiment.ranking if trial not in (0, best)]
    record = trial_folder(search_run, rest[0]) / "trial.json"
    values = json.loads(record.read_text())
    record.write_text(json.dumps({**values, "params": experiment.folder.trial(best).params}))
    (trial_folder(search_run, rest[1]) / "trial.json").write_text("[]")
    origins = {item.origin for item in plan_trainings(load(search_run), 9, 1, Goal("val/score"))}
    assert origins == {"default", f"trial {best}", *(f"trial {trial}" for trial in rest[2:])}


# -- going on ----------------------------------------------------------------------------------------------------


def test_an_interrupted_proof_goes_on_with_what_is_missing(search_run, capsys):
    RAY["reports"] = 10
    assert retrain(search_run, "top=2", "seeds=2") == 130
    assert "resume:  python -m analysis.retrain" in capsys.readouterr().out
    assert not (search_run / LEDGER).exists()
    finished_trials = {trial.number: trial for trial in trainings(search_run) if trial.done}
    assert finished_trials
    RAY["reports"] = math.inf
    assert retrain(search_run, "top=2", "seeds=2") == 0
    trials_of_proof = {trial.number: trial for trial in trainings(search_run)}
    assert all(trials_of_proof[number] == trial for number, trial in finished_trials.items())
    assert sorted(Counter((trial.origin, trial.seed) for trial in trials_of_proof.values()).values()) == [1] * 7
    for trial in trials_of_proof.values():
        assert [b["epoch"] - a["epoch"] for a, b in pairwise(trial.reports)] == [1, 1]


def test_a_training_whose_folder_was_moved_away_is_trained_again(search_run):
    retrain(search_run, "top=1", "seeds=3", "test=false")
    before = trainings(search_run)
    shutil.rmtree(trial_folder(search_run / PROOF_FOLDER, 2))
    retrain(search_run, "top=1", "seeds=3", "test=false")
    after = trainings(search_run)
    assert {(trial.origin, trial.seed) for trial in after} == {(trial.origin, trial.seed) for trial in before}
    assert [trial.number for trial in after] == [0, 1, 3, 4, 5, 6]


def test_what_failed_is_a_result_unless_it_is_to_be_tried_again(search_run):
    retrain(search_run, "top=1", "seeds=2", "test=false")
    folder = RunFolder.open(search_run / PROOF_FOLDER)
    folder.end(folder.trial(1), "failed", "error", "for the test")
    retrain(search_run, "top=1", "seeds=2", "test=false")
    assert load(search_run).proof["candidates"][0]["failed"] == [1000]
    retrain(search_run, "top=1", "seeds=2", "test=false", "retry=true")
    assert load(search_run).proof["candidates"][0]["failed"] == []
    assert load(search_run).proof["candidates"][0]["trainings"] == {"1000": 4, "1001": 3}


def test_a_folder_that_was_left_before_it_was_begun_is_no_dead_end(search_run):
    (search_run / PROOF_FOLDER).mkdir()
    (search_run / PROOF_FOLDER / "space.yaml").write_text("{}")
    assert retrain(search_run, "top=1", "seeds=1", "test=false") == 0


def test_more_seeds_are_added_to_what_is_there(search_run):
    retrain(search_run, "top=2", "seeds=2", "test=false")
    before = trainings(search_run)
    retrain(search_run, "top=2", "seeds=3", "test=false")
    after = trainings(search_run)
    assert after[: len(before)] == before
    assert len(after) == 2 * 3 + 5  # the default has ⌈3·√2⌉
    assert load(search_run).proof["seeds"] == [1000, 1001, 1002]


def test_candidates_of_an_earlier_call_are_not_judged_and_cost_no_seed(search_run):
    retrain(search_run, "top=3", "seeds=2", "test=false")
    retrain(search_run, "top=1", "seeds=4", "test=false")
    proof = load(search_run).proof
    assert [len(item["values"]) for item in proof["candidates"]] == [4]


def test_other_epochs_are_another_proof(search_run):
    retrain(search_run, "top=1", "seeds=2", "test=false")
    with pytest.raises(UsageError, match="holds trainings of 3 epochs or of other settings"):
        retrain(search_run, "top=1", "seeds=2", "epochs=5", "test=false")


# -- the test split ----------------------------------------------------------------------------------------------


def test_the_test_split_is_seen_once_by_winner_and_default_alone(search_run, capsys):
    retrain(search_run, "top=2", "seeds=3")
    proof, looks = load(search_run).proof, read_lines(search_run / LEDGER)
    assert len(looks) == 1
    assert set(proof["test"]["winner"]) == {"1000", "1001", "1002"}
    assert len(proof["test"]["default"]) == 5
    assert proof["test"]["metric"] == "test/score"
    assert looks[0]["result"]["winner"] == proof["test"]["winner"]
    assert "test split, look 1" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"was looked at on .* for trial \d and the default, retrained; again=true"):
        retrain(search_run, "top=2", "seeds=3")
    with pytest.raises(UsageError, match="again=true"):
        export([f"run={search_run}", f"to={search_run}/x", "test=true"])
    assert read_lines(search_run / LEDGER) == looks


def test_a_second_look_must_be_asked_for_and_is_counted(search_run, tmp_path):
    retrain(search_run, "top=1", "seeds=2")
    retrain(search_run, "top=1", "seeds=2", "again=true")
    assert load(search_run).proof["test"]["looks"] == 2
    export([f"run={search_run}", f"to={tmp_path}/out"])
    assert "has been looked at 2 times." in (tmp_path / "out" / CARD).read_text()


def test_without_test_the_split_is_left_alone_and_an_earlier_look_is_kept(search_run):
    retrain(search_run, "top=1", "seeds=2")
    earlier = load(search_run).proof["test"]
    retrain(search_run, "top=1", "seeds=3", "test=false")
    assert load(search_run).proof["test"] == earlier
    assert len(read_lines(search_run / LEDGER)) == 1


def test_a_damaged_entry_is_a_look_all_the_same(search_run):
    retrain(search_run, "top=1", "seeds=2")
    ledger = search_run / LEDGER
    ledger.write_bytes(ledger.read_bytes()[:40] + b"\n")
    with pytest.raises(UsageError, match="looked at on a day that cannot be read for something"):
        retrain(search_run, "top=1", "seeds=2")
    retrain(search_run, "top=1", "seeds=2", "again=true")
    assert load(search_run).proof["test"]["looks"] == 2


def test_a_look_by_another_process_meanwhile_ends_this_one(search_run, monkeypatch):
    trained = cluster.run_trials

    def meanwhile(*arguments):
        trained(*arguments)
        export([f"run={search_run}", f"to={search_run}/x", "test=true"])

    monkeypatch.setattr(cluster, "run_trials", meanwhile)
    with pytest.raises(UsageError, match=r"looked at on .* for trial \d; again=true"):
        retrain(search_run, "top=1", "seeds=2")
    assert len(read_lines(search_run / LEDGER)) == 1


def test_a_kill_after_the_look_was_entered_does_not_lose_it(search_run):
    retrain(search_run, "top=1", "seeds=2")
    test_result = load(search_run).proof["test"]
    path = search_run / PROOF_FOLDER / "proof.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "test": None}))
    retrain(search_run, "top=1", "seeds=2", "test=false")
    assert load(search_run).proof["test"] == test_result


def test_a_health_figure_as_goal_is_found_on_the_test_split(tmp_path, monkeypatch):
    parts = {**SPACE, "objective": {"metric": "health/excess", "mode": "min"}}
    run = _search(tmp_path / "runs" / "health", monkeypatch, **parts)
    retrain(run, "top=1", "seeds=2")
    assert load(run).proof["test"]["metric"] == "test/health/excess"
    assert len(load(run).proof["test"]["winner"]) == 2


def test_what_the_test_split_cannot_say_is_entered_and_shown_as_not_known(search_run, monkeypatch, tmp_path, capsys):
    evaluate = variant.Curves.evaluate
    monkeypatch.setattr(
        variant.Curves,
        "evaluate",
        lambda self, split: {**evaluate(self, split), **({"score": math.nan} if split == "test" else {})},
    )
    retrain(search_run, "top=1", "seeds=2")
    assert "gain not known" in capsys.readouterr().out
    assert len(read_lines(search_run / LEDGER)) == 1
    export([f"run={search_run}", f"to={tmp_path}/out"])
    assert "gain not known" in (tmp_path / "out" / CARD).read_text()


def test_weights_that_are_gone_are_named_before_anybody_looks(search_run):
    retrain(search_run, "top=1", "seeds=2", "test=false")
    (trial_folder(search_run / PROOF_FOLDER, 1) / BEST_WEIGHTS).unlink()
    with pytest.raises(UsageError, match=r"trial_0001.*is gone; move its folder away"):
        retrain(search_run, "top=1", "seeds=2")
    assert not (search_run / LEDGER).exists()


# -- the export of a proof ---------------------------------------------------------------------------------------


def test_the_winners_best_seed_is_exported_with_the_proof_on_its_card(search_run, tmp_path):
    retrain(search_run, "top=2", "seeds=2")
    proof = load(search_run).proof
    assert export([f"run={search_run}", f"to={tmp_path}/out"]) == 0
    best = next(item for item in proof["candidates"] if item["trial"] == proof["winner"])
    seed = max(best["values"], key=best["values"].get)
    weights = trial_folder(search_run / PROOF_FOLDER, best["trainings"][seed]) / BEST_WEIGHTS
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
    assert export([f"run={search_run}", f"to={tmp_path}/default", "trial=0"]) == 0
    assert "Settings of the default settings of the run" not in (tmp_path / "default" / CARD).read_text()


def test_gpus_for_one_process_are_refused(search_run):
    with pytest.raises(UsageError, match="gpus_per_trial=2 is for as many processes"):
        retrain(search_run, "gpus_per_trial=2", "processes=1")


def test_a_goal_that_the_run_has_not_is_refused(search_run):
    with pytest.raises(UsageError, match="goal=val/iou is no objective"):
        retrain(search_run, "goal=val/iou")
