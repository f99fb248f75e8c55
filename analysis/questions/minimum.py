"""The least evidence that a question takes before it is answered "good" or "bad"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from analysis.questions.answer import Outcome
from analysis.questions.evidence import Evidence
from analysis.wording import format_count, inflect

RESULT_STATUSES = ("finished", "stopped")


@dataclass(frozen=True)
class Minimum:
    """What a question takes. Below it the answer is "unknown", with what is missing.

    Attributes:
        ended: trials that can be compared and have ended; one that is running may still become anything.
        settled: trials that have ended in any way, failed ones included.
        complete: trials among the best that trained their whole budget.
        below: what is said below the minimum: nothing but what is missing; doubts, that is "careful" and "unknown"
            answers; or facts as well, such as a failure, which is then "careful" instead of "bad".
        or_proof: whether a proof suffices in place of trials.
    """

    ended: int = 0
    settled: int = 0
    complete: int = 0
    below: Literal["nothing", "doubts", "facts"] = "nothing"
    or_proof: bool = False

    def describe_lack(self, evidence: Evidence) -> str:
        """Describe what is missing; empty where there is enough."""
        experiment = evidence.experiment
        if self.or_proof and experiment.proof:
            return ""
        status = experiment.trials["status"]
        settled = int(status.isin([*RESULT_STATUSES, "failed"]).sum())
        ended = int(status.loc[experiment.ranking].isin(RESULT_STATUSES).sum())
        complete, budget = len(evidence.complete_trials), experiment.space.budget.max_epochs
        for count, requirement, condition in (
            (settled, self.settled, "ended"),
            (ended, self.ended, "ended with a result"),
            (complete, self.complete, f"trained all {format_count(budget, 'epoch')}"),
        ):
            if count < requirement:
                subject = f"Only {format_count(count, 'trial')}" if count else "No trial"
                have = inflect(max(1, count), "has", "have")
                return f"{subject} {have} {condition}; this question takes {requirement}."
        return ""

    def apply(self, rule: Callable[[Evidence], Outcome], evidence: Evidence) -> Outcome:
        """Apply a rule as far as the evidence allows: without enough of it, nothing is good or bad."""
        lack = self.describe_lack(evidence)
        if lack and self.below == "nothing":
            return "unknown", lack
        verdict, sentence = rule(evidence)
        if not lack or verdict not in ("good", "bad"):
            return verdict, sentence
        if self.below == "doubts":
            return "unknown", lack
        return ("unknown" if verdict == "good" else "careful"), f"{sentence} {lack}"
