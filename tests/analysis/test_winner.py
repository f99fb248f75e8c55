"""What is said of a run's best trials: against the default, against each other, on the front, in health."""

from dataclasses import replace

import numpy as np
import pytest
from written import NOISE, answer, curve, healthy_trials, trial, written

from analysis.questions.playbook import answers


def test_a_gain_within_the_noise_is_no_gain(tmp_path):
    trials = [trial(curve(0.5, seed=number)) for number in range(4)]
    said = answer(written(tmp_path, trials[::-1]), "Is the best better")
    assert said.verdict in ("careful", "bad")
    large = [trial(curve(0.5)), trial(curve(0.5 + 20 * NOISE, seed=1))]
    said = answer(written(tmp_path / "large", large), "Is the best better")
    assert said.verdict == "good"
    assert "#1 has val/score" in said.sentence
    assert "python -m analysis.retrain run=" in said.sentence


def test_a_default_that_nothing_beats_is_bad(tmp_path):
    said = answer(written(tmp_path, [trial(curve(0.9)), trial(curve(0.5))]), "Is the best better")
    assert said.verdict == "bad"
    assert "none of 1 other trial is better" in said.sentence


def test_the_default_s_own_trouble_is_said(tmp_path):
    falling = [0.5, 0.4, 0.4, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    weak = answer(written(tmp_path / "weak", [trial(falling), trial(curve(0.9))]), "Is the best better")
    assert "The default is best at epoch 1 of 9" in weak.sentence
    failed = [trial([0.5], ended="failed", reason="loss became nan"), trial(curve(0.9))]
    said = answer(written(tmp_path / "failed", failed), "Is the best better")
    assert (said.verdict, "loss became nan" in said.sentence) == ("careful", True)
    bound = {"constraints": {"val/cost": 0.5}}
    broken = written(tmp_path / "broken", [trial(curve(0.95), cost=0.8), trial(curve(0.9))], **bound)
    said = answer(broken, "Is the best better")
    assert said.verdict == "good"
    assert "the default has val/cost 0.8 (bound 0.5)" in said.sentence


def test_constraints_that_nothing_keeps_are_bad(tmp_path):
    trials = [trial(curve(0.5), cost=0.9), trial(curve(0.9), cost=0.6)]
    experiment = written(tmp_path, trials, constraints={"val/cost": 0.5})
    for start in ("Is the best better", "Are the best trials healthy"):
        said = answer(experiment, start)
        assert said.verdict == "bad"
        assert "even #1 has val/cost 0.6 (bound 0.5)" in said.sentence


@pytest.mark.parametrize(("word", "verdict"), [("better", "good"), ("no better", "careful"), ("worse", "bad")])
def test_a_proof_speaks_instead_of_the_noise(tmp_path, word, verdict):
    default = {"trial": 0, "values": {}, "mean": None}
    proof = {"verdict": word, "sentence": "Five seeds say so.", "candidates": [], "default": default}
    experiment = replace(written(tmp_path, healthy_trials()), proof=proof)
    for start in ("Is the best better", "Is the difference larger"):
        assert (answer(experiment, start).verdict, answer(experiment, start).sentence) == (
            verdict,
            "Five seeds say so.",
        )


def test_the_best_is_told_from_those_that_are_clearly_behind(tmp_path):
    level = [trial(curve(0.8, seed=number)) for number in range(3)]
    behind = [trial(curve(0.6, seed=number)) for number in range(3)]
    one = answer(written(tmp_path / "one", [*behind, level[0]]), "Is the difference")
    assert (one.verdict, "#3 leads" in one.sentence) == ("careful", True)
    assert "The lead is over 3 times that, which one seed cannot prove" in one.sentence
    three = answer(written(tmp_path / "three", [*behind, *level]), "Is the difference")
    assert three.verdict == "careful"
    told_from = three.sentence.split("cannot tell")[1].split(";")[0]
    assert {number for number in range(6) if f"#{number}" in told_from} == {3, 4, 5}
    assert "top=3 seeds=5" in three.sentence


def test_a_finding_at_the_best_epoch_gives_its_remedy(tmp_path):
    trials = [trial(curve(0.5)), trial([0.1, 0.9, 0.3], found=(2,)), trial([0.1, 0.8, 0.3], found=(1,))]
    said = answer(written(tmp_path / "best", trials), "Are the best")
    assert (said.verdict, "#1 had a finding: it is stuck: raise lr." in said.sentence) == ("bad", True)
    elsewhere = answer(written(tmp_path / "other", [*trials[::2], *[trial(curve(0.4))] * 3]), "Are the best")
    assert (elsewhere.verdict, "most often 'stuck' (1)" in elsewhere.sentence) == ("good", True)


def test_the_front_is_the_objective_s_and_replaces_the_best(tmp_path):
    goals = [{"metric": "val/score"}, {"metric": "val/cost", "mode": "min"}]
    rng = np.random.default_rng(0)
    points = [(0.3, 0.9), *rng.random((40, 2)).round(1).tolist()]
    trials = [trial([score] * 9, cost=cost) for score, cost in points]
    experiment = written(tmp_path, trials, objective=goals, scheduler={"kind": "none"})
    members = experiment.objective.front(points)
    said = answers(experiment)[0]
    assert said.question == "How large is the front?"
    assert said.verdict == "good"
    assert said.sentence.startswith(f"{len(members)} trials of 41 trained in full make the front")
    assert f"val/score {max(score for score, _ in points):.4g}" in said.sentence
    assert any(f"#{number}" in said.sentence for number in members)
    ahead = [each for each in members if points[each][0] >= 0.3 and points[each][1] <= 0.9]
    assert ("the default in every goal" in said.sentence) == bool(ahead)
