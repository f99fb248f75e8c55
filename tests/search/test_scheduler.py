"""Early stopping: ASHA against Ray's, median stopping against its definition, and what a trial's end is recorded as."""

import random
import statistics
from functools import partial
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from search.scheduler import BoardScheduler, asha, median_stopping, settle, should_stop
from search.searcher import BoardSearcher, propose
from tests.support.simulated import add, board, by_formula, known, reopened, report, search, space
from trainables.failures import FAILURE, Failure
from trainables.files import RESULT, append_line, trial_folder

X = {"x": 0.3, "y": 0.7}


def new(tmp_path, mode="max", kind="asha", budget=None, **parts):
    parts = {"objective": {"metric": "val/score", "mode": mode}, "scheduler": {"kind": kind}, **parts}
    return board(tmp_path / "run", budget=budget or {"trials": 60, "max_epochs": 9, "grace_epochs": 1}, **parts)


def value(on, number, epoch, score):
    """Report this score for a trial; the rest of the report follows from it."""
    made = {"epoch": epoch, "val/score": score}
    on.report(number, {**made, **on.space.objective.score(made)})


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize(("grace", "reduction", "epochs"), [(1, 3, 9), (3, 3, 9), (1, 2, 12), (2, 4, 10)])
def test_asha_decides_as_ray_s_does(tmp_path, mode, grace, reduction, epochs):
    budget = {"trials": 60, "max_epochs": epochs, "grace_epochs": grace, "reduction": reduction}
    on = new(tmp_path, mode, budget=budget)
    oracle = AsyncHyperBandScheduler(
        time_attr="epoch", metric="score", mode=mode, max_t=epochs, grace_period=grace, reduction_factor=reduction
    )
    chance = random.Random(grace * 100 + reduction)
    running, stopped, decisions = [], 0, 0
    while len(on.trials) < 60 or running:
        while len(running) < 5 and len(on.trials) < 60:
            trial = SimpleNamespace(trial_id=str(add(on, X).number))
            oracle.on_trial_add(None, trial)
            running.append(trial)
        trial = chance.choice(running)
        number, epoch = int(trial.trial_id), on.epochs(int(trial.trial_id)) + 1
        score = chance.random() + epoch
        value(on, number, epoch, score)
        if epoch == epochs:
            running.remove(trial)
            continue
        said = oracle.on_trial_result(None, trial, {"epoch": epoch, "score": score})
        assert (asha(on, number, epoch) is not None) == (said == TrialScheduler.STOP)
        decisions += 1
        if said == TrialScheduler.STOP:
            on.end(number, "stopped", "scheduler", "asha")
            running.remove(trial)
            stopped += 1
    assert 0 < stopped < decisions


@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_trial_as_good_as_the_cutoff_goes_on(tmp_path, mode):
    on = new(tmp_path, mode)
    for number, score in enumerate([0.1, 0.2, 0.2, 0.3, 0.2]):  # the cutoff of the first four is 0.2, both ways
        add(on, X)
        value(on, number, 1, score)
    assert asha(on, 4, 1) is None


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_the_default_trial_goes_on_to_the_end(tmp_path, kind):
    on = new(tmp_path, kind=kind, params={"x": {"uniform": [0.0, 0.6]}, "y": {"uniform": [0.5, 1.0]}})
    search(on, concurrent=3)
    assert on.trials[0].status == "finished"
    assert on.count("stopped") > 0
    assert on.value(0, 9) == min(on.value(number, 9) or 9 for number in on.trials)  # the worst of all


def naive_median_stops(mode, mine, others, epoch, enough=3):
    """Golovin et al. 2017, 3.2.1: stop if the best so far is strictly worse than the median of the running averages."""
    averages = [sum(curve[:epoch]) / epoch for curve in others if len(curve) >= epoch]
    if len(averages) < enough:
        return False
    middle = statistics.median(averages)
    return max(mine) < middle if mode == "max" else min(mine) > middle


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("seed", range(3))
def test_median_stopping_is_that_of_its_definition(tmp_path, mode, seed):
    on = new(tmp_path, mode, kind="median")
    chance = random.Random(seed)
    curves: list[list[float]] = []
    stopped = 0
    for number in range(25):
        add(on, X)
        mine: list[float] = []
        for epoch in range(1, 10):
            mine.append(chance.random() + 0.02 * epoch)
            value(on, number, epoch, mine[-1])
            expected = naive_median_stops(mode, mine, curves, epoch)
            assert (median_stopping(on, number, epoch) is not None) == expected
            if expected:
                stopped += 1
                break
        on.end(number, "finished", "budget", "for the test")
        curves.append(mine)
    assert 0 < stopped < 25


def test_median_stopping_waits_for_the_grace_and_looks_at_ended_trials_alone(tmp_path):
    on = new(tmp_path, kind="median", budget={"trials": 9, "max_epochs": 9, "grace_epochs": 3})
    for _ in range(4):
        add(on, X, epochs=9)
    poor = add(on, {"x": 1.0, "y": 0.0}, epochs=2).number
    value(on, poor, 3, 0.05)
    for number in range(4):
        assert median_stopping(on, poor, 3) is None or number == 3
        assert median_stopping(on, poor, 2) is None
        on.end(number, "finished", "budget", "for the test")
    assert "below the median at epoch 3: 0.05417, median 0.6389" in median_stopping(on, poor, 3)


def test_none_stops_nothing(tmp_path):
    on = new(tmp_path, kind="none")
    search(on, concurrent=3)
    assert {trial.status for trial in on.trials.values()} == {"finished"}


def test_a_constraint_that_is_violated_on_the_way_stops_no_trial(tmp_path):
    on = new(tmp_path, constraints={"val/cost": 0.5})
    for x in (0.45, 0.5, 0.6):
        add(on, {"x": x, "y": 0.0}, epochs=1)
    violating = add(on, {"x": 0.55, "y": 0.7}, epochs=1).number
    assert report(on.space, {"x": 0.55, "y": 0.7}, 1)["objective/feasible"] == 0
    assert should_stop(on, violating, 1) is None


def test_nothing_is_decided_between_rungs_or_at_the_end(tmp_path):
    on = new(tmp_path, budget={"trials": 9, "max_epochs": 9, "grace_epochs": 3})
    for _ in range(4):
        add(on, X, epochs=9)
    poor = add(on, {"x": 1.0, "y": 0.0}, epochs=9).number
    assert [epoch for epoch in range(1, 10) if asha(on, poor, epoch)] == [3]


# -- how an end is recorded --------------------------------------------------------------------------------------


def end(on, **result):
    """Tell the scheduler that trial 0 is done with this result."""
    trial = SimpleNamespace(config={"trial": 0})
    made = {**report(on.space, X, result.get("epoch", 2)), "done": True, "stop_reason": None, **result}
    BoardScheduler(on).on_trial_complete(None, trial, made)
    ended = on.trials[0]
    return ended.status, ended.cause, ended.reason


@pytest.mark.parametrize(
    ("result", "recorded"),
    [
        ({"epoch": 9}, ("finished", "budget", "trained its 9 epochs")),
        ({"stop_reason": "patience: no better"}, ("stopped", "patience", "patience: no better")),
        ({"stop_reason": "health: collapsed: 0"}, ("stopped", "health", "health: collapsed: 0")),
        ({"failed": True, "stop_reason": "loss became nan"}, ("failed", "error", "loss became nan")),
        ({"failed": True, "stop_reason": "full", "cause": "environment"}, ("failed", "environment", "full")),
    ],
)
def test_an_end_is_recorded_with_its_cause(tmp_path, result, recorded):
    on = new(tmp_path)
    add(on, X, epochs=1)
    assert end(on, **result) == recorded
    assert on.epochs(0) == (1 if "failed" in result else result.get("epoch", 2))


def test_a_trial_that_was_stopped_is_not_recorded_again(tmp_path):
    on = new(tmp_path)
    add(on, X, epochs=1, ended="stopped", cause="scheduler")
    assert end(on, epoch=1)[:2] == ("stopped", "scheduler")


def test_the_file_that_ray_writes_before_a_restart_is_not_taken_for_a_reason(tmp_path):
    on = new(tmp_path)
    add(on, X, epochs=1)
    text = "Failure # 1 (occurred at 2026-12-01_02-11-10)\nThe actor died unexpectedly.\n"
    (trial_folder(on.folder.path, 0) / "error.txt").write_text(text)
    BoardScheduler(on).on_trial_error(None, SimpleNamespace(config={"trial": 0}, status="RUNNING", max_failures=1))
    assert "killed from outside" in on.trials[0].reason


def test_what_the_environment_failed_is_recorded_with_its_errno_by_a_dead_process_too(tmp_path):
    on = new(tmp_path)
    add(on, X, epochs=1)
    Failure("OSError: full", "environment", "ENOSPC").write(trial_folder(on.folder.path, 0), "traceback")
    BoardScheduler(on).on_trial_error(None, SimpleNamespace(config={"trial": 0}, status="RUNNING", max_failures=1))
    ended = reopened(on.folder.path).trials[0]
    assert (ended.status, ended.cause, ended.errno) == ("failed", "environment", "ENOSPC")


@pytest.mark.parametrize("left", [None, "out of memory: 3 GiB"])
def test_a_trial_whose_process_died_fails_when_ray_gives_up(tmp_path, left):
    on = new(tmp_path)
    add(on, X, epochs=1)
    if left:
        (trial_folder(on.folder.path, 0) / FAILURE).write_text(f"{left}\n\ntraceback")
    for rays, status in (("ERROR", "running"), ("RUNNING", "failed")):  # stopped to be queued again; given up
        BoardScheduler(on).on_trial_error(None, SimpleNamespace(config={"trial": 0}, status=rays, max_failures=1))
        assert on.trials[0].status == status
    assert on.trials[0].reason == (left or on.trials[0].reason)
    assert left or "killed from outside" in on.trials[0].reason


def test_a_trial_whose_actor_died_before_it_began_is_given_again_but_not_for_ever(tmp_path):
    on = new(tmp_path)
    add(on, X)
    scheduler = BoardScheduler(on)
    dropped = SimpleNamespace(config={"trial": 0}, status="PENDING", max_failures=2)
    for _ in range(2):
        scheduler.on_trial_error(None, dropped)
        assert on.trials[0].status == "running"
        assert BoardSearcher(on, partial(propose, on, 0)).suggest("any")["trial"] == 0
    scheduler.on_trial_error(None, dropped)
    assert on.trials[0].status == "failed"


# -- after a kill ------------------------------------------------------------------------------------------------


def left_behind(tmp_path, params=X, epochs=0, **last):
    """Make a trial 1 that an earlier process left with its reports on disk, beside four good ones."""
    on = new(tmp_path, budget={"trials": 9, "max_epochs": 9, "grace_epochs": 3})
    for each in range(5):
        number = add(on, params if each == 1 else X).number
        for result in by_formula(on, {"trial": number, "params": on.trials[number].params}):
            on.report(number, result)
            if each == 1 and result["epoch"] == epochs - 1:
                break
        if each != 1:
            on.end(number, "finished", "budget", "for the test")
    made = {**report(on.space, params, epochs), "stop_reason": None, **last}
    append_line(trial_folder(on.folder.path, 1) / RESULT, made)
    again = reopened(on.folder.path)
    settle(again)
    return again


@pytest.mark.parametrize(
    ("left", "recorded"),
    [
        ({"epochs": 9}, ("finished", "budget")),
        ({"epochs": 5, "stop_reason": "patience: no better"}, ("stopped", "patience")),
        ({"epochs": 3, "params": {"x": 1.0, "y": 0.0}}, ("stopped", "scheduler")),
        ({"epochs": 3}, ("running", None)),
        ({"epochs": 5, "params": {"x": 1.0, "y": 0.0}}, ("running", None)),
    ],
)
def test_a_fate_that_was_sealed_is_recorded_and_others_go_on(tmp_path, left, recorded):
    again = left_behind(tmp_path, **left)
    assert (again.trials[1].status, again.trials[1].cause) == recorded
    assert again.waiting == ([1] if recorded[0] == "running" else [])
    assert known(reopened(again.folder.path).trials[1]) == known(again.trials[1])


@pytest.mark.parametrize("kind", ["asha", "median", "none"])
def test_a_search_is_always_run_to_its_end(tmp_path, kind):
    on = new(tmp_path, kind=kind, budget={"trials": 15, "max_epochs": 9, "grace_epochs": 2, "reduction": 2})
    for reports in (5, 17, 23, 9999):
        search(on, concurrent=4, reports=reports)
        on = reopened(on.folder.path)
        settle(on)
    assert len(on.trials) == 15
    assert on.count("running") == 0
    assert all(trial.reports[-1]["epoch"] == 9 for trial in on.trials.values() if trial.status == "finished")
    assert on.space == space(
        objective={"metric": "val/score", "mode": "max"},
        scheduler={"kind": kind},
        budget={"trials": 15, "max_epochs": 9, "grace_epochs": 2, "reduction": 2},
    )
