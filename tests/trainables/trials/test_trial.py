"""A variant in Ray's hands, without Ray: one trial's life in an actor, and what the next one finds."""

from dataclasses import replace

import pytest
import torch

from tests.support.loops import timeless
from trainables.failures import FAILURE
from trainables.files import RESULT, read_lines, trial_folder
from trainables.objective import Goal, Objective
from trainables.settings import UsageError
from trainables.trials import trial
from trainables.trials.trial import Task, Trial


@pytest.fixture
def task(tmp_path):
    goals = Objective((Goal("val/score"),))
    return Task("benchmarks.curves", {"epochs": 3}, {}, goals, tmp_path, seed=0, cpus=1, gpus=0)


def actor(task, number=0, **params) -> Trial:
    """Make the trainable as Ray sets it up."""
    made = object.__new__(Trial)
    made.setup({"trial": number, "params": params}, task)
    return made


def steps(trial: Trial) -> list[dict]:
    told = [trial.step()]
    while not told[-1]["done"]:
        told.append(trial.step())
    return told


def record(task, number):
    return [timeless(line) for line in read_lines(trial_folder(task.folder, number) / RESULT)]


def test_a_trial_reports_every_epoch_and_then_that_it_is_done(task):
    told = steps(actor(task, x=0.3))
    assert [report["epoch"] for report in told] == [1, 2, 3]
    assert [report["done"] for report in told] == [False, False, True]


def test_a_trial_in_a_used_actor_is_the_same_as_in_a_fresh_one(task):
    used = actor(task, number=0, x=0.9)
    steps(used)
    assert used.reset_config({"trial": 1, "params": {"x": 0.3}})
    steps(used)
    steps(actor(task, number=2, x=0.3))
    assert record(task, 1) == record(task, 2)


def test_a_trial_that_goes_on_in_a_new_process_first_tells_what_may_not_have_been_heard(task):
    killed = actor(task, x=0.3)
    killed.step()
    killed.step()
    told = steps(actor(task, x=0.3))
    assert [report["epoch"] for report in told] == [2, 3]
    assert [line["epoch"] for line in record(task, 0)] == [1, 2, 3]  # and trains no epoch twice


def test_a_trial_that_was_done_when_it_was_killed_only_says_so(task):
    steps(actor(task, x=0.3))
    assert [(report["epoch"], report["done"]) for report in steps(actor(task, x=0.3))] == [(3, True)]


def test_an_exception_ends_the_trial_with_its_reason_and_leaves_the_actor_in_order(task):
    failing = actor(task, goes_wrong="raises")
    last = steps(failing)[-1]
    assert last["failed"]
    assert last["stop_reason"] == "RuntimeError: this trial was asked to fail"
    assert "Traceback" in (trial_folder(task.folder, 0) / FAILURE).read_text()
    failing.reset_config({"trial": 1, "params": {}})
    assert len(steps(failing)) == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's own thread
@pytest.mark.parametrize("size", [0, 400, 1500, 3000])  # too small for anything, the events, the weights, the state
def test_a_disk_that_takes_no_more_fails_the_trial_as_the_environment_and_not_the_next_one(task, small_files, size):
    failing = actor(task, x=0.3)
    with small_files(size):
        last = steps(failing)[-1]
        assert (last["failed"], last["cause"], last["errno"]) == (True, "environment", "EFBIG"), last
        failing.reset_config({"trial": 1, "params": {}})
    assert [report["epoch"] for report in steps(failing)] == [1, 2, 3]


def test_data_that_have_vanished_are_the_environment_and_settings_that_clash_are_not(task, tmp_path):
    nih = replace(task, variant="mask_st", fixed={}, data={"source": "nih", "root": str(tmp_path / "gone")})
    assert nih.failure(UsageError("there are no images")).cause == "environment"
    synthetic = replace(nih, data={"train_size": 8, "val_size": 8}, fixed={"image_size": 32})
    assert synthetic.failure(UsageError("lr=0 is out of range")).cause == "error"
    clash = replace(
        synthetic, fixed={"image_size": 32, "temperature_min": 2.0}
    )  # possible with the default's start alone
    assert clash.failure(UsageError("lr=0 is out of range")).cause == "environment"
    assert replace(clash, default={"temperature": 2.5}).failure(UsageError("lr=0 is out of range")).cause == "error"


def test_the_first_trial_is_not_trained_for_a_metric_that_validation_lacks(task):
    lacking = replace(task, objective=Objective((Goal("val/score"),), {"val/nope": 0.5}))
    report = actor(lacking, x=0.3).step()
    assert (report["epoch"], report["failed"], report["cause"]) == (0, True, "objective")
    assert report["stop_reason"] == (
        "the objective names val/nope, which no report has; there are health/excess, val/cost, val/score"
    )
    assert record(task, 0) == []
    again = actor(lacking, x=0.3).step()  # another process reads the word that was left
    assert (again["cause"], again["stop_reason"]) == (report["cause"], report["stop_reason"])


@pytest.mark.parametrize("metric", ["health/nope", "train/nope"])
def test_a_metric_of_training_is_missed_after_the_first_epoch(task, metric):
    report = actor(replace(task, objective=Objective((Goal("val/score"),), {metric: 0.5})), x=0.3).step()
    assert (report["failed"], report["cause"]) == (True, "objective")
    assert metric in report["stop_reason"]


def test_evaluating_before_the_first_epoch_changes_no_result(task):
    steps(actor(task, number=0, x=0.3))
    steps(actor(task, number=1, x=0.3))
    assert record(task, 0) == record(task, 1)


def test_what_a_dead_process_left_word_of_is_not_tried_again(task):
    steps(actor(task, goes_wrong="raises", wrong_epoch=1))
    again = actor(task, goes_wrong="never").step()
    assert (again["failed"], again["stop_reason"]) == (True, "RuntimeError: this trial was asked to fail")


@pytest.mark.parametrize(("share", "cap"), [(0.25, [0.25]), (1.0, []), (2.0, [])])
def test_a_share_of_a_gpu_is_a_share_of_its_memory(monkeypatch, share, cap):
    capped = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", capped.append)
    assert trial._device(share).type == "cuda"
    assert capped == cap


def test_a_trial_without_a_gpu_or_on_a_declared_one_runs_on_the_cpu():
    assert trial._device(0).type == "cpu"
    if not torch.cuda.is_available():
        assert trial._device(0.25).type == "cpu"


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, 1), (1, 1), (2.5, 2)])
def test_torch_has_as_many_threads_as_the_trial_has_cpus(task, cpus, threads):
    before = torch.get_num_threads()
    try:
        actor(replace(task, cpus=cpus))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
