"""The questions about a run, answered from its record in sentences with values and a next step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.frames.experiment import Experiment
from analysis.questions import curves, effort, strategy, winner
from analysis.questions.answer import Answer, Outcome
from analysis.questions.baselines import BETTER_THAN_TRIVIAL, has_baselines, judge_baselines
from analysis.questions.data import CAN_JUDGE, has_record, judge_splits
from analysis.questions.edges import judge_edges
from analysis.questions.evidence import TOP, Evidence, gather
from analysis.questions.headline import Headline, headline
from analysis.questions.minimum import Minimum
from analysis.wording import format_count, inflect

__all__ = ["Answer", "Headline", "answers", "headline"]


def answers(experiment: Experiment) -> list[Answer]:
    """Answer all questions, in the order in which one would ask them."""
    evidence = gather(experiment)
    first = FRONT if experiment.objective.is_multi else BETTER
    data = [Answer(CAN_JUDGE, *judge_splits(experiment.path))] if has_record(experiment.path) else []
    search = [_answer(question, evidence) for question in (first, *QUESTIONS)]
    trivial = [_answer(TRIVIAL, evidence)] if has_baselines(experiment.path) else []
    return [*search[:1], *trivial, *data, *search[1:]]


@dataclass(frozen=True)
class Question:
    """A question, the rule that answers it, and the evidence that this takes."""

    text: str
    rule: Callable[[Evidence], Outcome]
    minimum: Minimum


def _answer(question: Question, evidence: Evidence) -> Answer:
    """Answer a question, as far as there is evidence; without any result most questions are unknown."""
    if not evidence.top and question.rule is not effort.judge_failures:
        return Answer(question.text, "unknown", _describe_emptiness(evidence))
    return Answer(question.text, *question.minimum.apply(question.rule, evidence))


def _describe_emptiness(evidence: Evidence) -> str:
    """Describe why there is no result."""
    trials = evidence.experiment.trials
    if trials.empty:
        return "No trial has started yet."
    if (trials["status"] == "failed").all():
        return f"No trial has a result: {format_count(len(trials), 'trial')} failed; see why below."
    subject = inflect(len(trials), "The only trial has not", f"None of {format_count(len(trials), 'trial')} has")
    return f"{subject} reported a result yet; look again after an epoch."


SOME = Minimum(ended=TOP)
"""As many trials as there are best ones: a trial that none of five others beats is hardly so by chance (1 in 32, were
half of the space better)."""

CURVES = Minimum(complete=3, below="facts")
"""Of three curves one that is unlike the others does not decide."""

BETTER = Question(
    "Is the best better than the default?", winner.judge_gain, Minimum(ended=TOP, below="doubts", or_proof=True)
)
FRONT = Question("How large is the front?", winner.judge_front, SOME)
TRIVIAL = Question(BETTER_THAN_TRIVIAL, judge_baselines, Minimum(ended=TOP, below="facts"))
QUESTIONS = (
    Question("Is the best at an edge of the space?", judge_edges, SOME),
    Question("Were there enough trials?", effort.judge_trial_count, SOME),
    Question("Did trials fail?", effort.judge_failures, Minimum(settled=TOP, below="facts")),
    Question("Was it still improving at the end?", curves.judge_improvement, CURVES),
    Question("Did it overfit?", curves.judge_overfitting, CURVES),
    Question("Is the difference larger than the noise of seeds?", winner.judge_noise, Minimum()),
    Question("Could the rungs judge?", strategy.judge_rungs, Minimum(ended=strategy.MIN_TRIALS)),
    Question("Did the model propose better than chance?", strategy.judge_model, Minimum(ended=strategy.MIN_TRIALS)),
    Question("Are the best trials healthy?", winner.judge_health, Minimum(ended=TOP, below="facts")),
)
"""The questions of every run. Some rules take more than their minimum says, and answer "unknown" themselves."""
