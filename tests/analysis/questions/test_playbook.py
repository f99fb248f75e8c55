"""The answers about runs whose curves are written by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.frames.experiment import Experiment, load
from analysis.questions.evidence import gather
from analysis.questions.playbook import answers, headline
from analysis.questions.strategy import superiority
from tests.support.written import answer, curve, healthy_trials, trial, write_run
from trainables.files import trial_folder


def verdicts(experiment: Experiment) -> dict[str, str]:
    return {answer.question: answer.verdict for answer in answers(experiment)}


# -- all of them -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_healthy_run_raises_no_alarm(tmp_path, mode):
    sign = 1.0 if mode == "max" else -1.0
    experiment = write_run(tmp_path, healthy_trials(sign=sign), objective={"metric": "val/score", "mode": mode})
    reply = verdicts(experiment)
    for unproved in ("Is the best better than the default?", "Is the difference larger than the noise of seeds?"):
        assert reply.pop(unproved) == "careful"  # one seed cannot tell
    assert reply.pop("Did the model propose better than chance?") == "good"
    assert set(reply.values()) == {"good"}, reply


@pytest.mark.parametrize(
    ("trials", "sentence"),
    [
        ([], "No trial has started yet."),
        ([trial([], ended="running")], "The only trial has not reported a result yet; look again after an epoch."),
        ([trial([], ended="failed", reason="no memory")], "No trial has a result: 1 trial failed; see why below."),
    ],
)
def test_a_run_without_a_result_is_unknown(tmp_path, trials, sentence):
    experiment = write_run(tmp_path, trials)
    reply = answers(experiment)
    assert {item.sentence for item in reply if item.question != "Did trials fail?"} == {sentence}
    assert all(item.verdict == "unknown" for item in reply if item.question != "Did trials fail?")
    assert headline(experiment).best is None
    assert "No result in val/score yet" in headline(experiment).sentence


def test_any_stage_of_a_run_has_an_answer_to_every_question(tmp_path):
    trials = [*healthy_trials(12), trial([], ended="failed"), trial([0.1, 0.2], ended="running")]
    counts = [len(answers(write_run(tmp_path / str(stage), trials[:stage]))) for stage in (0, 1, 2, 3, 6, 9, 14)]
    assert set(counts) == {10}


# -- trials and epochs -------------------------------------------------------------------------------------------------


def test_a_run_that_still_improves_asks_for_half_as_many_more(tmp_path):
    values = np.linspace(0.1, 0.9, 24)
    experiment = write_run(tmp_path, [trial(curve(value)) for value in values])
    reply = answer(experiment, "Were there enough")
    assert reply.verdict == "careful"
    assert reply.sentence.endswith("budget.trials=36")
    step = values[1] - values[0]
    assert f"gain about {step / 2:.4g} " in reply.sentence  # the sum over r of r · step · 2/3 · (1/3)^r


def test_trials_that_have_not_started_come_before_more_of_them(tmp_path):
    experiment = write_run(tmp_path, [trial(curve(value)) for value in np.linspace(0.1, 0.9, 10)])
    reply = answer(experiment, "Were there enough")
    assert " 14 of the run's 24 trials have not started yet: python -m search.run resume=" in reply.sentence
    assert "budget.trials" not in reply.sentence
    going = [trial(curve(value)) for value in np.linspace(0.1, 0.9, 9)] + [trial([0.1], ended="running")]
    reply = answer(write_run(tmp_path / "going", going), "Were there enough")
    assert reply.sentence.endswith("14 of the run's 24 trials have not started yet.")
    last = [trial(curve(value)) for value in np.linspace(0.1, 0.9, 23)]
    reply = answer(write_run(tmp_path / "last", last), "Were there enough")
    assert "23 trials for 2 settings; 0 trials came after the best, #22. Going by what a third" in reply.sentence
    assert " 1 of the run's 24 trials has not started yet: python -m search.run resume=" in reply.sentence
    reply = answer(write_run(tmp_path / "falling", last[::-1]), "Were there enough")
    assert "; 22 trials came after the best, #0." in reply.sentence


@pytest.mark.parametrize(("count", "subject"), [(1, "Only 1 trial has ended"), (3, "Only 3 trials have ended")])
def test_few_results_are_counted_in_the_answers_that_need_more(tmp_path, count, subject):
    experiment = write_run(tmp_path, [trial(curve(0.5 + 0.1 * number)) for number in range(count)])
    edges, effort = answer(experiment, "Is the best at an edge"), answer(experiment, "Were there enough")
    assert edges.verdict == effort.verdict == "unknown"
    assert edges.sentence == effort.sentence == f"{subject} with a result; this question takes 5."


def test_a_damaged_trial_is_moved_away_before_a_run_is_resumed(tmp_path):
    experiment = write_run(tmp_path, [trial(curve(value)) for value in np.linspace(0.1, 0.9, 10)])
    (trial_folder(experiment.path, 3) / "trial.json").write_text("{")
    reply = answer(load(experiment.path), "Were there enough")
    assert (
        "not started yet: move trial_0003 out of the run's folder, then python -m search.run resume=" in reply.sentence
    )


def test_failures_are_grouped_by_their_reason(tmp_path):
    reasons = ["loss became nan in epoch 3", "loss became nan in epoch 7", "out of memory"]
    failed = [trial([], ended="failed", reason=reason) for reason in reasons]
    reply = answer(write_run(tmp_path / "some", [*healthy_trials(17), *failed]), "Did trials fail")
    assert reply.verdict == "careful"
    assert reply.sentence.startswith("3 of 20 trials failed (15%), 2 of them like #17: loss became nan in epoch 3.")
    assert "Narrow the ranges that lead there. failures.csv has 1 other reason as well." in reply.sentence
    many = [trial([], ended="failed", reason="x"), trial(curve(0.5)), *failed]
    reply = answer(write_run(tmp_path / "many", many), "Did trials fail")
    assert (reply.verdict, "The default fails as well: read trial_0000/failure.txt." in reply.sentence) == ("bad", True)
    assert "Narrow the ranges" not in reply.sentence
    reply = answer(write_run(tmp_path / "single", [*healthy_trials(19), failed[2]]), "Did trials fail")
    assert reply.sentence.startswith("1 of 20 trials failed (5%), #19: out of memory.")
    reply = answer(write_run(tmp_path / "none", [trial(curve(0.5))]), "Did trials fail")
    assert reply.sentence == "The only trial has not failed. Only 1 trial has ended; this question takes 5."
    reply = answer(write_run(tmp_path / "few", failed), "Did trials fail")
    assert (reply.verdict, "3 of 3 trials failed (100%)" in reply.sentence) == ("careful", True)


def test_trials_that_the_environment_failed_are_no_reason_to_narrow_a_range(tmp_path):
    full = trial([], ended="failed", cause="environment", reason="OSError: [Errno 28] No space left on device")
    reply = answer(write_run(tmp_path / "full", [*healthy_trials(17), full, full, full]), "Did trials fail")
    assert reply.verdict == "careful"
    assert reply.sentence.startswith("None of 20 trials has failed because of its settings.")
    assert "The environment failed 3 trials, such as #17: OSError: [Errno 28] No space left" in reply.sentence
    assert reply.sentence.endswith(f"resume={tmp_path}/full/mine retry=true")
    assert "Narrow the ranges" not in reply.sentence
    nan = trial([], ended="failed", reason="loss became nan in epoch 3")
    reply = answer(write_run(tmp_path / "both", [*healthy_trials(17), full, nan, nan]), "Did trials fail")
    assert reply.sentence.startswith("2 of 20 trials failed (10%), 2 of them like #18: loss became nan in epoch 3.")


def test_trials_whose_record_is_lost_are_counted(tmp_path):
    experiment = write_run(tmp_path, [trial(curve(0.5)), trial(curve(0.6)), trial(curve(0.7))])
    for number, sentence in ((1, "The record of 1 trial is lost."), (2, "The records of 2 trials are lost.")):
        (trial_folder(experiment.path, number) / "trial.json").write_text("{")
        assert answer(load(experiment.path), "Did trials fail").sentence.count(sentence) == 1


# -- the search --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sign", "verdict"), [(1, "good"), (-1, "bad"), (0, "careful")])
def test_rungs_are_judged_by_how_they_predict_the_end(tmp_path, sign, verdict):
    rng = np.random.default_rng(1)
    ends = rng.permutation(12) / 100 + 0.5
    early = [
        end if sign == 1 else 1 - end if sign == -1 else chance
        for end, chance in zip(ends, rng.random(12), strict=True)
    ]
    trials = [trial([start] * 8 + [end]) for start, end in zip(early, ends, strict=True)]
    experiment = write_run(tmp_path, trials, scheduler={"kind": "none"})
    reply = answer(experiment, "Could the rungs judge")
    rho = stats.spearmanr(early, ends).statistic
    assert f"rank correlation is {rho:.2f}" in reply.sentence
    assert reply.verdict == verdict
    assert answer(write_run(tmp_path / "few", trials[:7]), "Could the rungs").verdict == "unknown"


@pytest.mark.parametrize(("gain", "verdict"), [(0.2, "good"), (-0.2, "bad"), (0.0, "careful")])
def test_the_model_is_compared_with_chance_at_the_first_rung(tmp_path, gain, verdict):
    rng = np.random.default_rng(0)
    trials = [trial(curve(0.5))]
    for number in range(20):
        is_proposal = number % 2 == 1
        level = 0.5 + 0.1 * rng.random() + gain * is_proposal
        trials.append(trial(curve(level, 3), origin="model of epoch 3" if is_proposal else "random"))
    reply = answer(write_run(tmp_path / "both", trials), "Did the model")
    assert reply.verdict == verdict
    assert "10 proposed trials" in reply.sentence
    assert answer(write_run(tmp_path / "few", trials[:12]), "Did the model").verdict == "unknown"


def test_superiority_is_mann_whitney_s():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 6, 30) + 1.0, rng.integers(0, 6, 20) + 0.0
    share, deviations = superiority(pd.Series(first), pd.Series(second))
    reference = stats.mannwhitneyu(first, second, method="asymptotic", use_continuity=False)
    assert share == pytest.approx(reference.statistic / 600)
    assert 2 * stats.norm.sf(abs(deviations)) == pytest.approx(reference.pvalue)


def test_the_scatter_is_the_noise_and_neither_level_nor_trend(tmp_path):
    rng = np.random.default_rng(0)
    trials = [trial((0.01 * np.arange(200) + 0.02 * rng.normal(size=200)).tolist()) for _ in range(3)]
    experiment = write_run(tmp_path, trials, budget={"trials": 3, "max_epochs": 200, "grace_epochs": 3})
    assert gather(experiment).scatter == pytest.approx(0.02, rel=0.15)


# -- the headline ------------------------------------------------------------------------------------------------------


def test_the_headline_counts_what_the_scheduler_saved(tmp_path):
    trials = [
        trial(curve(0.5)),
        trial(curve(0.9)),
        trial(curve(0.4, 3)),
        trial(curve(0.4, 6), cause="patience"),
        trial([0.1], ended="failed"),
        trial([0.1], ended="running"),
    ]
    reply = headline(write_run(tmp_path, trials))
    assert (reply.trials, reply.budget, reply.best_trial) == (6, 24, 1)
    assert (reply.finished, reply.stopped, reply.failed, reply.running) == (2, 2, 1, 1)
    assert reply.best == pytest.approx(max(curve(0.9)))
    assert reply.default == pytest.approx(max(curve(0.5)))
    assert (reply.cut_short, reply.stopped_share) == (1, pytest.approx(1 / 6))  # the other one lost its patience
    assert reply.saved_epochs == pytest.approx(6 / 54)
    assert reply.saved_hours == pytest.approx(6 * 2.0 / 3600)
    assert "6 of 24 trials: 2 trained in full, 2 stopped early, 1 failed, 1 running" in reply.sentence
