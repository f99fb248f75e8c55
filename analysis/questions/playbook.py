"""The questions about a run, answered from its record in sentences with values and a next step."""

from __future__ import annotations

from collections.abc import Callable

from analysis.frames.experiment import Experiment
from analysis.questions import curves, effort, strategy, winner
from analysis.questions.answer import Answer, Outcome
from analysis.questions.baselines import BETTER_THAN_TRIVIAL, has_baselines, judge_baselines
from analysis.questions.data import CAN_JUDGE, has_record, judge_splits
from analysis.questions.edges import judge_edges
from analysis.questions.evidence import Evidence, gather
from analysis.questions.headline import Headline, headline
from analysis.wording import format_count, inflect

__all__ = ["Answer", "Headline", "answers", "headline"]


def answers(experiment: Experiment) -> list[Answer]:
    """Answer all questions, in the order in which one would ask them."""
    evidence = gather(experiment)
    first = FRONT if experiment.objective.is_multi else BETTER
    data = [Answer(CAN_JUDGE, *judge_splits(experiment.path))] if has_record(experiment.path) else []
    search = [Answer(question, *_apply(rule, evidence)) for question, rule in (first, *QUESTIONS)]
    trivial = []
    if has_baselines(experiment.path):
        trivial.append(Answer(BETTER_THAN_TRIVIAL, *_apply(judge_baselines, evidence)))
    return [*search[:1], *trivial, *data, *search[1:]]


def _apply(rule: Callable[[Evidence], Outcome], evidence: Evidence) -> Outcome:
    """Apply the rule of a question; without any result most questions are unknown."""
    if evidence.top or rule is effort.judge_failures:
        return rule(evidence)
    trials = evidence.experiment.trials
    if trials.empty:
        return "unknown", "No trial has started yet."
    if (trials["status"] == "failed").all():
        return "unknown", f"No trial has a result: {format_count(len(trials), 'trial')} failed; see why below."
    subject = inflect(len(trials), "The only trial has not", f"None of {format_count(len(trials), 'trial')} has")
    return "unknown", f"{subject} reported a result yet; look again after an epoch."


BETTER = ("Is the best better than the default?", winner.judge_gain)
FRONT = ("How large is the front?", winner.judge_front)
QUESTIONS = (
    ("Is the best at an edge of the space?", judge_edges),
    ("Were there enough trials?", effort.judge_trial_count),
    ("Did trials fail?", effort.judge_failures),
    ("Was it still improving at the end?", curves.judge_improvement),
    ("Did it overfit?", curves.judge_overfitting),
    ("Is the difference larger than the noise of seeds?", winner.judge_noise),
    ("Could the rungs judge?", strategy.judge_rungs),
    ("Did the model propose better than chance?", strategy.judge_model),
    ("Are the best trials healthy?", winner.judge_health),
)
