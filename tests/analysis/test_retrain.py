"""The command of the proof, without Ray: what is planned and trained, and how it is resumed."""

import json
import math
import shutil
from collections import Counter
from itertools import pairwise

import pytest

from analysis.frames.experiment import PROOF_FOLDER, load
from analysis.proof.ledger import LEDGER
from analysis.retrain import FIRST_SEED, main, plan_trainings
from search.record import RunFolder
from tests.support.proofs import RAY, retrain, trainings
from tests.support.simulated import add, board
from trainables.files import trial_folder
from trainables.objective import Goal
from trainables.settings import UsageError

# -- what is trained ---------------------------------------------------------------------------------------------


def test_the_best_trials_and_the_default_are_planned_over_fresh_seeds(run_to_prove):
    experiment = load(run_to_prove)
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


def test_a_seed_that_the_search_used_is_not_fresh(run_to_prove):
    experiment = load(run_to_prove)
    experiment.run["seed"] = FIRST_SEED + 1
    seeds = {item.seed for item in plan_trainings(experiment, 1, 2, Goal("val/score"))}
    assert seeds == {FIRST_SEED, FIRST_SEED + 2}


def test_a_run_whose_only_result_is_the_default_has_nothing_to_prove(tmp_path):
    simulation = board(tmp_path / "run")
    add(simulation, simulation.space.default_params(), epochs=3)
    with pytest.raises(UsageError, match="no trial with a result yet but the default"):
        main([f"run={simulation.folder.path}"])


def test_every_training_has_its_own_seed_and_the_full_budget(run_to_prove):
    retrain(run_to_prove, "top=2", "seeds=2", "epochs=4")
    trials_of_proof = trainings(run_to_prove)
    assert {trial.status for trial in trials_of_proof} == {"finished"}
    assert {len(trial.reports) for trial in trials_of_proof} == {4}
    assert RAY["processes"] == 1
    by_seed = {trial.seed: trial.reports[-1]["val/score"] for trial in trials_of_proof if trial.origin == "default"}
    assert len(set(by_seed.values())) == 3  # the seed moves the result


def test_processes_follow_whole_gpus(run_to_prove):
    retrain(run_to_prove, "top=1", "seeds=2", "gpus_per_trial=2", "test=false")
    assert RAY["processes"] == 2


def test_repeated_settings_and_trials_whose_record_is_lost_are_no_candidates(run_to_prove):
    experiment = load(run_to_prove)
    best = next(trial for trial in experiment.ranking if trial)
    rest = [trial for trial in experiment.ranking if trial not in (0, best)]
    record = trial_folder(run_to_prove, rest[0]) / "trial.json"
    values = json.loads(record.read_text())
    record.write_text(json.dumps({**values, "params": experiment.folder.trial(best).params}))
    (trial_folder(run_to_prove, rest[1]) / "trial.json").write_text("[]")
    origins = {item.origin for item in plan_trainings(load(run_to_prove), 9, 1, Goal("val/score"))}
    assert origins == {"default", f"trial {best}", *(f"trial {trial}" for trial in rest[2:])}


# -- resuming -----------------------------------------------------------------------------------------------------


def test_an_interrupted_proof_resumes_with_what_is_missing(run_to_prove, capsys):
    RAY["reports"] = 10
    assert retrain(run_to_prove, "top=2", "seeds=2") == 130
    assert "resume:  python -m analysis.retrain" in capsys.readouterr().out
    assert not (run_to_prove / LEDGER).exists()
    finished_trials = {trial.number: trial for trial in trainings(run_to_prove) if trial.done}
    assert finished_trials
    RAY["reports"] = math.inf
    assert retrain(run_to_prove, "top=2", "seeds=2") == 0
    trials_of_proof = {trial.number: trial for trial in trainings(run_to_prove)}
    assert all(trials_of_proof[number] == trial for number, trial in finished_trials.items())
    assert sorted(Counter((trial.origin, trial.seed) for trial in trials_of_proof.values()).values()) == [1] * 7
    for trial in trials_of_proof.values():
        assert [b["epoch"] - a["epoch"] for a, b in pairwise(trial.reports)] == [1, 1]


def test_a_training_whose_folder_was_moved_away_is_trained_again(run_to_prove):
    retrain(run_to_prove, "top=1", "seeds=3", "test=false")
    before = trainings(run_to_prove)
    shutil.rmtree(trial_folder(run_to_prove / PROOF_FOLDER, 2))
    retrain(run_to_prove, "top=1", "seeds=3", "test=false")
    after = trainings(run_to_prove)
    assert {(trial.origin, trial.seed) for trial in after} == {(trial.origin, trial.seed) for trial in before}
    assert [trial.number for trial in after] == [0, 1, 3, 4, 5, 6]


def test_what_failed_is_a_result_unless_it_is_to_be_tried_again(run_to_prove):
    retrain(run_to_prove, "top=1", "seeds=2", "test=false")
    folder = RunFolder.open(run_to_prove / PROOF_FOLDER)
    folder.end(folder.trial(1), "failed", "error", "for the test")
    retrain(run_to_prove, "top=1", "seeds=2", "test=false")
    assert load(run_to_prove).proof["candidates"][0]["failed"] == [1000]
    retrain(run_to_prove, "top=1", "seeds=2", "test=false", "retry=true")
    assert load(run_to_prove).proof["candidates"][0]["failed"] == []
    assert load(run_to_prove).proof["candidates"][0]["trainings"] == {"1000": 4, "1001": 3}


def test_a_folder_that_was_left_before_the_first_training_is_used(run_to_prove):
    (run_to_prove / PROOF_FOLDER).mkdir()
    (run_to_prove / PROOF_FOLDER / "space.yaml").write_text("{}")
    assert retrain(run_to_prove, "top=1", "seeds=1", "test=false") == 0


def test_more_seeds_are_added_to_what_is_there(run_to_prove):
    retrain(run_to_prove, "top=2", "seeds=2", "test=false")
    before = trainings(run_to_prove)
    retrain(run_to_prove, "top=2", "seeds=3", "test=false")
    after = trainings(run_to_prove)
    assert after[: len(before)] == before
    assert len(after) == 2 * 3 + 5  # the default has ⌈3·√2⌉
    assert load(run_to_prove).proof["seeds"] == [1000, 1001, 1002]


def test_candidates_of_an_earlier_call_are_not_judged_and_cost_no_seed(run_to_prove):
    retrain(run_to_prove, "top=3", "seeds=2", "test=false")
    retrain(run_to_prove, "top=1", "seeds=4", "test=false")
    proof = load(run_to_prove).proof
    assert [len(item["values"]) for item in proof["candidates"]] == [4]


def test_other_epochs_are_another_proof(run_to_prove):
    retrain(run_to_prove, "top=1", "seeds=2", "test=false")
    with pytest.raises(UsageError, match="holds trainings of 3 epochs or of other settings"):
        retrain(run_to_prove, "top=1", "seeds=2", "epochs=5", "test=false")


# -- refusals ----------------------------------------------------------------------------------------------------


def test_gpus_for_one_process_are_refused(run_to_prove):
    with pytest.raises(UsageError, match="gpus_per_trial=2 is for as many processes"):
        retrain(run_to_prove, "gpus_per_trial=2", "processes=1")


def test_a_goal_that_the_run_has_not_is_refused(run_to_prove):
    with pytest.raises(UsageError, match="goal=val/iou is no goal of"):
        retrain(run_to_prove, "goal=val/iou")
