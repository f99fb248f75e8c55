"""The rung-aware searcher: what each rung's model is told, that it helps, and that it is a function of the record."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from optuna.trial import TrialState

from search.scheduler import settle
from search.searcher import BoardSearcher, observations, propose
from tests.support.simulated import PARAMS, add, board, by_formula, known, reopened, report, search

CONDITIONAL = {
    **PARAMS,
    "kind": {"choice": ["plain", "shifted"]},
    "shift": {"uniform": [0.0, 0.5], "when": {"kind": "shifted"}},
}
SMALL = {"trials": 16, "max_epochs": 9, "grace_epochs": 1}
EAGER = {"min_results": 3}


def trials(on):
    return [known(trial) for trial in on.trials.values()]


# -- a function of the record ------------------------------------------------------------------------------------


def test_the_default_goes_first_even_where_it_is_not_searched_and_the_model_never_sees_it(tmp_path):
    on = board(tmp_path / "run", params={"x": {"uniform": [0.0, 0.5]}, "y": {"uniform": [0.5, 1.0]}}, budget=SMALL)
    search(on)
    assert (on.trials[0].params, on.trials[0].origin) == ({"x": 0.9, "y": 0.1}, "default")
    assert on.trials[0].status == "finished"
    assert all(trial.params != on.trials[0].params for trial in observations(on, 1))
    assert {trial.origin.split()[0] for trial in on.trials.values()} == {"default", "random", "model"}


def test_a_default_inside_is_seen_by_the_model(tmp_path):
    on = board(tmp_path / "run")
    add(on, on.space.default_params(), epochs=9, ended="finished", cause="budget")
    assert [trial.params for trial in observations(on, 9)] == [on.space.default_params()]


@pytest.mark.parametrize("kind", ["rung", "random"])
def test_one_seed_gives_one_list_of_trials(tmp_path, kind):
    runs = {}
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        on = board(tmp_path / name, params=CONDITIONAL, budget=SMALL, searcher={"kind": kind, **EAGER})
        search(on, seed=seed)
        runs[name] = trials(on)
    assert runs["one"] == runs["same"]
    assert runs["one"][0] == runs["other"][0]
    assert runs["one"][1][1] != runs["other"][1][1]
    assert len({str(trial[1]) for trial in runs["one"]}) == len(runs["one"])


@pytest.mark.parametrize("reports", [1, 9, 10, 24, 40, 55])
def test_an_interrupted_search_gives_the_list_of_the_uninterrupted_one(tmp_path, reports):
    parts = {"params": CONDITIONAL, "budget": SMALL, "searcher": EAGER}
    straight = board(tmp_path / "straight", **parts)
    search(straight, seed=1)
    killed = board(tmp_path / "killed", **parts)
    search(killed, seed=1, reports=reports)
    assert 0 < len(killed.trials) < 16
    resumed = reopened(tmp_path / "killed")
    settle(resumed)
    search(resumed, seed=1)
    assert trials(resumed) == trials(straight)


def test_proposals_depend_on_the_record_and_not_on_what_was_asked_before(tmp_path):
    on = board(tmp_path / "run", params=CONDITIONAL, budget=SMALL, searcher=EAGER)
    search(on)
    first = [propose(on, 0, number) for number in range(40, 46)]
    again = [propose(on, 0, number) for number in reversed(range(40, 46))]
    assert first == again[::-1]


def test_unfinished_trials_are_given_out_before_new_ones(tmp_path):
    on = board(tmp_path / "run", budget={"trials": 3})
    for _ in range(2):
        add(on, {"x": 0.5, "y": 0.5})
    again = reopened(tmp_path / "run")
    searcher = BoardSearcher(again, partial(propose, again, 0))
    given = [searcher.suggest("any") for _ in range(4)]
    assert [each["trial"] for each in given[:3]] == [0, 1, 2]
    assert given[0]["params"] == {"x": 0.5, "y": 0.5}
    assert given[3] is None  # nothing new, but one that runs may have to be given again
    for number in range(3):
        again.end(number, "finished", "budget", "for the test")
    assert searcher.suggest("any") == BoardSearcher.FINISHED


# -- what a rung's model is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["asha", "median", "none"])
def test_a_model_is_told_values_of_its_own_epoch_alone(tmp_path, kind):
    on = board(tmp_path / "run", budget={**SMALL, "trials": 30}, scheduler={"kind": kind}, searcher=EAGER)
    search(on, concurrent=4, reports=120)
    assert on.space.budget.rungs == (1, 3, 9)
    for rung in on.space.budget.rungs:
        seen = observations(on, rung)
        complete = [trial for trial in seen if trial.state == TrialState.COMPLETE]
        assert sorted(trial.value for trial in complete) == sorted(
            report(on.space, trial.params, rung)["val/score"] for trial in on.trials.values() if trial.at(rung)
        )
        for trial in complete:
            assert trial.value == report(on.space, trial.params, rung)["val/score"]
        without = [trial for trial in seen if trial.state == TrialState.RUNNING]  # on their way, or stopped on it
        assert len(without) == sum(trial.status != "failed" and not trial.at(rung) for trial in on.trials.values())


def test_trials_are_told_for_what_they_are(tmp_path):
    on = board(tmp_path / "run")
    x = [{"x": 0.1 * number, "y": 0.5} for number in range(7)]
    add(on, x[0], epochs=9, ended="finished", cause="budget")
    add(on, x[1], epochs=5, ended="stopped", cause="patience")
    add(on, x[2], epochs=4, ended="stopped", cause="health")
    add(on, x[3], epochs=3, ended="stopped", cause="scheduler")
    add(on, x[4], epochs=2, ended="failed", cause="error")
    add(on, x[5], epochs=1)
    add(on, x[6])
    told = {trial.params["x"]: trial for trial in observations(on, 9)}
    assert [told[x[each]["x"]].value for each in (0, 1, 2)] == [
        report(on.space, x[each], epoch)["val/score"] for each, epoch in ((0, 9), (1, 5), (2, 4))
    ]
    assert told[x[3]["x"]].state == TrialState.RUNNING  # it has no value at epoch 9, and yet is known
    assert told[x[4]["x"]].state == TrialState.PRUNED
    assert [told[x[each]["x"]].state for each in (5, 6)] == [TrialState.RUNNING] * 2


def test_the_model_is_not_told_that_the_environment_failed_a_trial(tmp_path):
    on = board(tmp_path / "run")
    x = [{"x": 0.1 * number, "y": 0.5} for number in range(3)]
    add(on, x[0], epochs=9, ended="finished", cause="budget")
    add(on, x[1], epochs=4, ended="failed", cause="environment")
    told = {rung: {trial.params["x"]: trial for trial in observations(on, rung)} for rung in (3, 9)}
    assert sorted(told[9]) == [0.0]
    assert told[3][0.1].value == report(on.space, x[1], 3)["val/score"]  # what it reported is true all the same


def test_the_highest_rung_with_enough_results_is_asked(tmp_path):
    on = board(tmp_path / "run", budget={**SMALL, "trials": 99}, searcher={"min_results": 4, "random_share": 0.0})
    rng = np.random.default_rng(0)
    expected = {
        3: "random",
        4: "model of epoch 1",
        7: "model of epoch 1",
        8: "model of epoch 3",
        12: "model of epoch 9",
    }
    reach = [1] * 4 + [3] * 4 + [9] * 4
    for count, epochs in enumerate(reach):
        if count in expected:
            assert propose(on, 0, 50)[1] == expected[count]
        add(on, {"x": rng.random(), "y": rng.random()}, epochs=epochs, ended="stopped", cause="scheduler")
    assert propose(on, 0, 50)[1] == expected[12]


def test_failures_are_no_results_that_a_model_could_be_made_of(tmp_path):
    on = board(tmp_path / "run", searcher={"min_results": 2, "random_share": 0.0})
    for number in range(5):
        add(on, {"x": 0.1 * number, "y": 0.5}, ended="failed", cause="error")
    assert propose(on, 0, 50)[1] == "random"


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_trials_are_drawn_at_random(tmp_path, share):
    on = board(tmp_path / "run", searcher={"random_share": share, "min_results": 2})
    for x in (0.2, 0.3, 0.4):
        add(on, {"x": x, "y": 0.5}, epochs=9, ended="finished", cause="budget")
    origins = [propose(on, 0, number)[1] for number in range(10, 110)]
    assert origins.count("random") / 100 == pytest.approx(share, abs=0.12 if 0 < share < 1 else 0)


# -- that it helps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["none", "asha"])
def test_the_model_proposes_better_trials_than_chance(tmp_path, scheduler):
    regrets: dict[str, list[float]] = {"model": [], "random": []}
    for seed in range(3):
        on = board(tmp_path / str(seed), budget={"trials": 35, "max_epochs": 9}, scheduler={"kind": scheduler})
        search(on, seed=seed)
        for trial in list(on.trials.values())[1:]:
            in_full = report(on.space, trial.params, 9)["val/score"]
            regrets[trial.origin.split()[0]].append(0.9 - in_full)
    assert len(regrets["model"]) > 40
    assert np.mean(regrets["model"]) < 0.6 * np.mean(regrets["random"])


def test_a_higher_rung_s_model_keeps_away_from_where_trials_are_stopped(tmp_path):
    on = told(tmp_path, lambda x: (3, "stopped") if abs(x - 0.3) > 0.2 else (9, "finished"), cause="scheduler")
    assert propose(on, 0, 1000)[1] == "model of epoch 9"
    assert np.mean([abs(params["x"] - 0.3) < 0.3 for params in proposals(on)]) > 0.8


def proposals(on, count=40):
    return [propose(on, 0, number)[0] for number in range(1000, 1000 + count)]


def told(tmp_path, outcomes, cause="budget", **parts):
    """Make a board with 24 even trials over x, whose epochs and end are those of `outcomes(x)`."""
    on = board(tmp_path / "run", searcher={"random_share": 0.0}, params={"x": {"uniform": [0.0, 1.0]}}, **parts)
    for x in np.linspace(0.02, 0.98, 24):
        epochs, ended = outcomes(x)
        add(on, {"x": float(x)}, epochs=epochs, ended=ended, cause="error" if ended == "failed" else cause)
    return on


RISING = {"metric": "val/cost", "mode": "max"}  # the larger x, the better


def test_the_model_keeps_away_from_where_trials_fail(tmp_path):
    on = told(tmp_path, lambda x: (0, "failed") if x > 0.5 else (9, "finished"), objective=RISING)
    drawn = [params["x"] for params in proposals(on)]
    assert np.mean([x < 0.5 for x in drawn]) > 0.8
    assert np.mean(drawn) > 0.3  # and still goes where it is good


def test_constraints_steer_to_feasible_points(tmp_path):
    shares = {}
    for name, constraints in (("bound", {"health/excess": 0.02}), ("free", {})):  # feasible: x ≤ 0.82
        on = told(tmp_path / name, lambda x: (9, "finished"), objective=RISING, constraints=constraints)
        drawn = [params["x"] for params in proposals(on)]
        shares[name] = np.mean([x <= 0.82 for x in drawn])
        assert np.mean(drawn) > 0.6  # and still goes where it is good
    assert shares["bound"] > 0.7
    assert shares["free"] < 0.4


def test_several_objectives_are_searched_along_their_front(tmp_path):
    goals = [{"metric": "val/score", "mode": "max"}, {"metric": "val/cost", "mode": "min"}]
    on = board(
        tmp_path / "run",
        objective=goals,
        scheduler={"kind": "none"},
        budget={"trials": 30, "max_epochs": 2, "grace_epochs": 1},
    )
    search(on, concurrent=2)
    assert {trial.origin.split(" of ")[0] for trial in on.trials.values()} == {"default", "random", "model"}
    assert "model of epoch 1" not in {trial.origin for trial in on.trials.values()}
    # the front lies at x ≤ 0.3 and y = 0.7; chance has x ≤ 0.35 in a third of the trials
    asked = [trial.params for trial in on.trials.values() if trial.origin.startswith("model")]
    assert np.mean([params["x"] <= 0.45 for params in asked]) > 0.55


def test_a_running_trial_is_not_proposed_again(tmp_path):
    on = told(tmp_path, lambda x: (9, "finished"))
    best = [params["x"] for params in proposals(on)]
    for x in np.linspace(0.25, 0.35, 20):
        add(on, {"x": float(x)})
    busy = [params["x"] for params in proposals(on)]
    near = [np.mean([0.25 <= x <= 0.35 for x in drawn]) for drawn in (best, busy)]
    assert near[1] < 0.7 * near[0]


def test_what_ray_says_of_an_end_changes_nothing(tmp_path):
    on = board(tmp_path / "run")
    searcher = BoardSearcher(on, partial(propose, on, 0))
    config = searcher.suggest("any")
    for result in by_formula(on, config):
        on.report(0, result)
    searcher.on_trial_complete("any", SimpleNamespace(), error=True)
    assert on.trials[0].status == "running"


@pytest.mark.parametrize(("ended_in", "state"), [("earlier", "RUNNING"), ("last", "COMPLETE"), ("only", "COMPLETE")])
def test_what_ended_itself_in_an_earlier_stage_says_nothing_of_a_later_rung(tmp_path, ended_in, state):
    on = board(tmp_path / "run")
    stage = {
        "earlier": {"train/compared_stage": 0.0, "train/compared_end": 4.0},
        "last": {"train/compared_stage": 1.0, "train/compared_end": 9.0},
        "only": {},
    }[ended_in]
    add(on, {"x": 0.5, "y": 0.5})
    for epoch in (1, 2):
        on.report(0, {**report(on.space, {"x": 0.5, "y": 0.5}, epoch), **stage})
    on.end(0, "stopped", "health", "health: for the test")
    states = {rung: [trial.state.name for trial in observations(on, rung)] for rung in (3, 9)}
    assert states == {3: ["COMPLETE"], 9: [state]}
