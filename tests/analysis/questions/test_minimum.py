"""No question is answered good or bad on less evidence than it takes, whatever the trials of a run are."""

import numpy as np
import pytest

from analysis.questions.playbook import BETTER, FRONT, QUESTIONS, answers
from analysis.questions.strategy import MIN_TRIALS
from tests.support.written import curve, trial, write_run

ENDED = {
    "Is the best better than the default?": 5,
    "How large is the front?": 5,
    "Is the best at an edge of the space?": 5,
    "Were there enough trials?": 5,
    "Could the rungs judge?": MIN_TRIALS,
    "Did the model propose better than chance?": MIN_TRIALS,
    "Are the best trials healthy?": 5,
}
"""Ended trials with a result that a verdict takes; of the others see below."""

GOALS = [{"metric": "val/score"}, {"metric": "val/cost", "mode": "min"}]


def draw_trials(count, rng):
    """Draw trials of every kind: in full, stopped, failed and running, sound and not."""
    trials = []
    for number in range(count):
        kind = rng.choice(["finished", "stopped", "failed", "running"], p=[0.4, 0.2, 0.2, 0.2])
        epochs = 9 if kind == "finished" else int(rng.integers(0 if kind == "failed" else 1, 9))
        values = curve(rng.random(), epochs, seed=int(rng.integers(99))) if rng.random() < 0.7 else []
        values = values or np.linspace(0.8, rng.random(), max(epochs, 1)).tolist()
        findings = tuple(range(1, 10)) if rng.random() < 0.3 else ()
        origin = "random" if number else "default"
        facts = {"cost": float(rng.random()), "finding_epochs": findings, "origin": origin}
        trials.append(trial(values, ended=kind, **facts))
    return trials


def count_ended(trials):
    return sum(item["ended"] in ("finished", "stopped") for item in trials)


@pytest.mark.parametrize(
    "parts", [{}, {"constraints": {"val/cost": 0.5}}, {"objective": GOALS, "scheduler": {"kind": "none"}}]
)
def test_nothing_is_good_or_bad_below_its_minimum(tmp_path, parts):
    rng = np.random.default_rng(8)
    for number in range(36):
        trials = draw_trials(number // 3, rng)
        experiment = write_run(tmp_path / str(number), trials, **parts)
        for reply in answers(experiment):
            if reply.verdict not in ("good", "bad"):
                continue
            complete = sum(item["ended"] != "failed" and len(item["values"]) == 9 for item in trials)
            settled = sum(item["ended"] != "running" for item in trials)
            if reply.question in ("Was it still improving at the end?", "Did it overfit?"):
                assert complete >= 3, reply
            elif reply.question == "Did trials fail?":
                assert settled >= 5, reply
            else:
                assert count_ended(trials) >= ENDED[reply.question], reply


@pytest.mark.parametrize("count", range(5))
def test_what_is_missing_is_said(tmp_path, count):
    experiment = write_run(tmp_path, [trial(curve(0.9 - 0.1 * number)) for number in range(count)])
    replies = {reply.question: reply for reply in answers(experiment)}
    for question in (BETTER, *QUESTIONS):
        if question.minimum.ended > count and question.minimum.below == "nothing" and count:
            subject = "1 trial has" if count == 1 else f"{count} trials have"
            lack = f"Only {subject} ended with a result; this question takes {question.minimum.ended}."
            assert (replies[question.text].verdict, replies[question.text].sentence) == ("unknown", lack)
    if count:
        assert replies[BETTER.text].verdict == "unknown"  # the default leads, and few trials show nothing
        assert "keep the default" not in replies[BETTER.text].sentence
        lack = "trained all 9 epochs; this question takes 3."
        assert replies["Did it overfit?"].sentence.endswith(lack) == (count < 3)
        assert replies["Did it overfit?"].verdict == ("unknown" if count < 3 else "good")


def test_every_question_states_its_minimum():
    stated = {question.text for question in (BETTER, FRONT, *QUESTIONS) if question.minimum.ended}
    assert stated == set(ENDED)
