"""The questions that one asks of a run, answered from its record in sentences with figures and a next step."""

from __future__ import annotations

from collections.abc import Callable

from analysis.frames.experiment import Experiment
from analysis.questions import courses, effort, judging, winner
from analysis.questions.answer import Answer, Said, counted
from analysis.questions.edges import edges
from analysis.questions.evidence import Evidence, gather
from analysis.questions.headline import Headline, headline

__all__ = ["Answer", "Headline", "answers", "headline"]


def answers(experiment: Experiment) -> list[Answer]:
    """Every question with its answer, in the order in which one would ask them."""
    evidence = gather(experiment)
    several = experiment.objective.several
    asked = [FRONT if several else BETTER, *QUESTIONS]
    return [Answer(question, *_said(evidence, rule)) for question, rule in asked]


def _said(evidence: Evidence, rule: Callable[[Evidence], Said]) -> Said:
    """What a rule says; without any result most have nothing to go by."""
    if evidence.top or rule is effort.failures:
        return rule(evidence)
    trials = evidence.experiment.trials
    if trials.empty:
        return "unknown", "No trial has begun yet."
    if (trials["status"] == "failed").all():
        return "unknown", f"No trial has a result: {counted(len(trials), 'trial')} failed; see why below."
    return "unknown", f"None of {counted(len(trials), 'trial')} has reported a result yet; look again after an epoch."


BETTER = ("Is the best better than the default?", winner.better)
FRONT = ("How large is the front?", winner.front)
QUESTIONS = (
    ("Is the best at an edge of the space?", edges),
    ("Were there enough trials?", effort.enough),
    ("Did trials fail?", effort.failures),
    ("Was it still improving at the end?", courses.improving),
    ("Did it overfit?", courses.overfitted),
    ("Is the difference larger than the noise of seeds?", winner.noise),
    ("Could the rungs judge?", judging.rungs),
    ("Did the model propose better than chance?", judging.model),
    ("Are the best trials healthy?", winner.healthy),
)
