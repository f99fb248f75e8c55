"""The answers on a run's best trials: against the default, against each other, on the front, in health."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.questions.playbook import answers
from tests.support.written import NOISE, answer, curve, healthy_trials, trial, write_run


def test_a_gain_within_the_noise_is_no_gain(tmp_path):
    trials = [trial(curve(0.5, seed=number)) for number in range(4)]
    reply = answer(write_run(tmp_path, trials[::-1]), "Is the best better")
    assert reply.verdict in ("careful", "bad")
    large = [trial(curve(0.5)), trial(curve(0.5 + 20 * NOISE, seed=1))]
    reply = answer(write_run(tmp_path / "large", large), "Is the best better")
    assert reply.verdict == "careful"  # one seed proves nothing, however far it is ahead
    assert "#1 has val/score" in reply.sentence
    assert "One seed does not prove it" in reply.sentence
    assert "python -m analysis.retrain run=" in reply.sentence


def test_a_default_that_nothing_beats_is_bad(tmp_path):
    levels = (0.9, 0.5, 0.4, 0.3, 0.2)
    reply = answer(write_run(tmp_path, [trial(curve(level)) for level in levels]), "Is the best better")
    assert reply.verdict == "bad"
    assert "none of 4 other trials is better: keep the default settings" in reply.sentence
    two = answer(write_run(tmp_path / "two", [trial(curve(0.9)), trial(curve(0.5))]), "Is the best better")
    assert two.verdict == "unknown"
    assert two.sentence == "Only 2 trials have ended with a result; this question takes 5."


def test_trouble_of_the_default_is_described(tmp_path):
    falling = [0.5, 0.4, 0.4, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    weak = answer(write_run(tmp_path / "weak", [trial(falling), trial(curve(0.9))]), "Is the best better")
    assert "The default is best at epoch 1 of 9" in weak.sentence
    failed = [trial([0.5], ended="failed", reason="loss became nan"), trial(curve(0.9))]
    reply = answer(write_run(tmp_path / "failed", failed), "Is the best better")
    assert reply.verdict == "careful"
    assert "the default failed (loss became nan), so there is nothing to compare it with." in reply.sentence
    bound = {"constraints": {"val/cost": 0.5}}
    infeasible = write_run(tmp_path / "broken", [trial(curve(0.95), cost=0.8), trial(curve(0.9))], **bound)
    reply = answer(infeasible, "Is the best better")
    assert reply.verdict == "careful"  # on one seed
    assert "the default has val/cost 0.8 > 0.5" in reply.sentence


def test_constraints_that_nothing_keeps_are_bad(tmp_path):
    trials = [trial(curve(0.5), cost=0.9), trial(curve(0.9), cost=0.6), *[trial(curve(0.4), cost=0.9)] * 3]
    experiment = write_run(tmp_path, trials, constraints={"val/cost": 0.5})
    for start in ("Is the best better", "Are the best trials healthy"):
        reply = answer(experiment, start)
        assert reply.verdict == "bad"
        assert "even #1 has val/cost 0.6 > 0.5" in reply.sentence


def proof_of(word, winner=(0.8, 0.82, 0.81), rival=(0.7, 0.72, 0.71), default=(0.5, 0.52, 0.51)):
    def row(trial, values):
        return {"trial": trial, "values": {str(1000 + s): v for s, v in enumerate(values)}, "mean": np.mean(values)}

    rows = {"candidates": [row(3, winner), row(4, rival)], "default": row(0, default), "winner": 3}
    return {"verdict": word, "sentence": "Three seeds say so.", "mode": "max", "seeds": [1000, 1001, 1002], **rows}


@pytest.mark.parametrize(
    ("word", "verdict", "step"),
    [
        ("better", "good", "analysis.export run="),
        ("no better", "careful", "Keep the default settings."),
        ("worse", "bad", "Keep the default settings: the search's choice did not hold; widen it"),
        ("not decided", "unknown", "Give the proof more seeds: python -m analysis.retrain"),
        ("not known", "unknown", "seeds=6"),
    ],
)
def test_a_proof_speaks_instead_of_the_noise_and_says_what_to_do(tmp_path, word, verdict, step):
    gain = {"value": 0.1, "low": 0.05, "high": 0.15, "confidence": 0.95}
    test = {"metric": "test/score", "winner": {"1000": 0.6}, "default": {"1000": 0.5}, "gain": gain, "looks": 1}
    experiment = replace(write_run(tmp_path, healthy_trials()), proof={**proof_of(word), "test": test})
    reply = answer(experiment, "Is the best better")
    assert reply.verdict == verdict
    assert reply.sentence.startswith(
        "Three seeds say so. On the test split: test/score 0.6 against 0.5, gain +0.1, 95% interval"
    )
    assert step in reply.sentence


def test_seeds_tell_the_winner_from_its_rivals_or_not(tmp_path):
    run = write_run(tmp_path, healthy_trials())
    reply = answer(replace(run, proof=proof_of("better")), "Is the difference larger")
    assert reply.verdict == "good"
    assert (
        "Seeds scatter by 0.01. #3 differs from the default by more than chance; it leads #4 by 0.1" in reply.sentence
    )
    level = proof_of("better", rival=(0.83, 0.78, 0.81))
    reply = answer(replace(run, proof=level), "Is the difference larger")
    assert reply.verdict == "careful"
    assert "may be chance: either of the two may be taken" in reply.sentence
    reply = answer(replace(run, proof=proof_of("no better")), "Is the difference larger")
    assert reply.verdict == "careful"
    assert "#3 does not differ from the default by more than chance" in reply.sentence


def test_with_several_goals_the_lead_is_that_in_the_goal_that_decided(tmp_path):
    """In the first goal winner and default are level; in the second, which decides and is minimised, they are not."""
    proof = proof_of("better", winner=(0.5, 0.5, 0.5), rival=(0.9, 0.9, 0.9), default=(0.5, 0.5, 0.5))
    for row, level in zip((*proof["candidates"], proof["default"]), (0.2, 0.4, 0.7), strict=True):
        row["goals"] = {"val/cost": {str(1000 + seed): level + 0.01 * seed for seed in range(3)}}
    sure = {"value": 0.5, "low": 0.4, "high": 0.6, "confidence": 0.95}
    level_gain = {"value": 0.0, "low": -0.1, "high": 0.1, "confidence": 0.95}
    goals = [
        {"metric": "val/score", "mode": "max", "gain": level_gain},
        {"metric": "val/cost", "mode": "min", "gain": sure},
    ]
    proof |= {"goals": goals, "decided_by": "val/cost", "metric": "val/score", "gain": level_gain}
    reply = answer(replace(write_run(tmp_path, healthy_trials()), proof=proof), "Is the difference larger")
    assert reply.verdict == "good"
    assert "#3 differs from the default by more than chance in val/cost; it leads #4 by 0.2" in reply.sentence


def test_a_running_default_is_not_compared(tmp_path):
    trials = [trial(curve(0.5)[:4], ended="running"), trial(curve(0.9))]
    reply = answer(write_run(tmp_path, trials), "Is the best better")
    assert reply.verdict == "unknown"
    assert "the default is at epoch 4 of 9, so it is too early" in reply.sentence


def test_the_best_differs_from_those_that_are_clearly_behind(tmp_path):
    level = [trial(curve(0.8, seed=number)) for number in range(3)]
    behind = [trial(curve(0.6, seed=number)) for number in range(3)]
    one = answer(write_run(tmp_path / "one", [*behind, level[0]]), "Is the difference")
    assert (one.verdict, "#3 leads" in one.sentence) == ("careful", True)
    assert "The lead is over 3 times that, which one seed cannot prove" in one.sentence
    three = answer(write_run(tmp_path / "three", [*behind, *level]), "Is the difference")
    assert three.verdict == "careful"
    told_from = three.sentence.split("cannot tell")[1].split(";")[0]
    assert {number for number in range(6) if f"#{number}" in told_from} == {3, 4, 5}
    assert "top=3 seeds=5" in three.sentence


def test_a_finding_at_the_best_epoch_gives_its_remedy(tmp_path):
    trials = [
        trial(curve(0.5)),
        trial([0.1, 0.9, 0.3], finding_epochs=(2,)),
        trial([0.1, 0.8, 0.3], finding_epochs=(1,)),
    ]
    few = answer(write_run(tmp_path / "few", trials), "Are the best")
    assert (few.verdict, "#1 had a finding: it is stuck: raise lr." in few.sentence) == ("careful", True)
    reply = answer(write_run(tmp_path / "best", [*trials, *[trial(curve(0.4))] * 2]), "Are the best")
    assert (reply.verdict, "#1 had a finding: it is stuck: raise lr." in reply.sentence) == ("bad", True)
    remote = answer(write_run(tmp_path / "other", [*trials[::2], *[trial(curve(0.4))] * 3]), "Are the best")
    assert (remote.verdict, "20% of 5 trials had one at some epoch, most often 'stuck' (1)" in remote.sentence) == (
        "good",
        True,
    )
    single = answer(write_run(tmp_path / "single", [trial([0.1, 0.8, 0.3], finding_epochs=(1,))]), "Are the best")
    assert single.sentence.startswith("The best trial had no finding at its best epoch. The only trial had one at some")


def test_the_front_is_the_objective_s_and_replaces_the_best(tmp_path):
    goals = [{"metric": "val/score"}, {"metric": "val/cost", "mode": "min"}]
    rng = np.random.default_rng(0)
    points = [(0.3, 0.9), *rng.random((40, 2)).round(1).tolist()]
    trials = [trial([score] * 9, cost=cost) for score, cost in points]
    experiment = write_run(tmp_path, trials, objective=goals, scheduler={"kind": "none"})
    members = experiment.objective.front(points)
    reply = answers(experiment)[0]
    assert reply.question == "How large is the front?"
    assert reply.verdict == "good"
    assert reply.sentence.startswith(
        f"The front has {len(members)} trials, of 41 that trained to their end; the best there:"
    )
    assert f"val/score {max(score for score, _ in points):.4g}" in reply.sentence
    assert any(f"#{number}" in reply.sentence for number in members)
    ahead = [member for member in members if points[member][0] >= 0.3 and points[member][1] <= 0.9]
    assert ("the default in every goal" in reply.sentence) == bool(ahead)
    stopped = [trial([0.2] * 3, cost=0.95)] * 4
    single = write_run(tmp_path / "single", [*trials[:1], *stopped], objective=goals, scheduler={"kind": "none"})
    assert answers(single)[0].sentence.startswith("The front has 1 trial, of 1 that trained to its end; the best")


def test_a_look_that_gave_no_number_is_reported_as_such(tmp_path):
    nothing = {"value": None, "low": None, "high": None, "confidence": 0.95}
    test = {"metric": "test/score", "winner": {"1000": float("nan")}, "default": {"1000": 0.5}, "gain": nothing}
    experiment = replace(write_run(tmp_path, healthy_trials()), proof={**proof_of("better"), "test": test})
    assert "gain not known" in answer(experiment, "Is the best better").sentence
