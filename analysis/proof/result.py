"""The proof of a run as a result: candidates, default, winner, its gain in every goal, and the verdict in a sentence.

`python -m analysis.retrain` writes it as `retrain/proof.json` in the run's folder; page, comparison and export read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from analysis.frames.experiment import PROOF_FILE, PROOF_FOLDER
from analysis.proof.candidate import Candidate, mean_value
from analysis.proof.power import MAX_SEEDS
from analysis.proof.statistics import Gain, Verdict, describe_gain
from analysis.proof.verdict import Decision, GoalGain
from analysis.wording import format_count
from trainables.files import replace_text
from trainables.objective import Goal

UNKNOWN_GAIN = Gain(math.nan, math.nan, math.nan)
HEADS: Mapping[Verdict, str] = {
    "better": "Better than the default",
    "no better": "No better than the default",
    "worse": "Worse than the default",
    "not decided": "Not decided",
    "not known": "Not proved",
}


@dataclass(frozen=True)
class Proof:
    """The candidates, the default, the winner, and its gains (positive is better, whatever the goal's mode).

    Attributes:
        goal: the goal whose values the candidates show: the first, or the one to judge by.
        winner: trial number of the winner; None where no candidate can be judged.
        goals: the winner's gain in every goal, that of `goal` first where it was asked for; empty without a winner.
        decision: by the rule of the space, or by `goal` alone.
        needed_seeds: with a verdict that is not decided, the seeds per candidate that would decide it; None: too many.
        margin: the smallest gain of interest that was asked for; None: the standard deviation between seeds.
        rule: the rule of a space with several goals, in words; empty with one goal.
        test: the result of the last look at the test split; empty before the first.
    """

    goal: Goal
    epochs: int
    candidates: tuple[Candidate, ...]
    default: Candidate
    winner: int | None = None
    goals: tuple[GoalGain, ...] = ()
    decision: Decision | None = None
    needed_seeds: int | None = None
    margin: float | None = None
    rule: str = ""
    test: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The verdict; a winner that violates a constraint which the default keeps is not called better."""
        if self.decision is None:
            return "not known"
        return "not decided" if self._breaks_constraint else self.decision.verdict

    @property
    def is_decided(self) -> bool:
        """Whether there is a verdict."""
        return self.verdict not in ("not decided", "not known")

    @property
    def gain(self) -> Gain:
        """The gain in `goal`."""
        return next((entry.gain for entry in self.goals if entry.goal.metric == self.goal.metric), UNKNOWN_GAIN)

    @property
    def best(self) -> Candidate:
        """The winner.

        Raises:
            KeyError: there is none.
        """
        return {candidate.trial: candidate for candidate in self.candidates}[-1 if self.winner is None else self.winner]

    @property
    def sentence(self) -> str:
        """The result in a sentence that begins with the verdict, and what follows from it."""
        if self.winner is None or self.decision is None:
            return f"{HEADS['not known']}: {self._describe_lack()}."
        figures = self._describe_goals() if len(self.goals) > 1 else self._describe_goal()
        violations = [
            f" {candidate.name[:1].upper()}{candidate.name[1:]} {candidate.violation}."
            for candidate in (self.best, self.default)
            if candidate.violation
        ]
        return f"{HEADS[self.verdict]}: {figures}.{self._describe_verdict()}{''.join(violations)}"

    @property
    def optimism(self) -> str:
        """A sentence on how much too good the search's own value of the winner was."""
        value, excess = self.best.search_value, self.best.optimism(self.goal, self.epochs)
        if value is None:
            return f"The search has no result for trial {self.winner}."
        result = f"In the search trial {self.winner} reached {value:.4g}, on one seed"
        if excess is None:
            epochs = format_count(self.best.search_epochs or 0, "epoch")
            return f"{result} and within {epochs}, not {self.epochs}: they cannot be compared."
        if not excess:
            return f"{result}: as good as the mean over fresh seeds."
        return f"{result}: {f'{excess:.3g} too good' if excess > 0 else f'not too good, but {abs(excess):.3g} worse'}."

    def as_dict(self) -> dict[str, Any]:
        """Convert to plain values for `proof.json`."""
        return {
            "sentence": self.sentence,
            "verdict": self.verdict,
            "metric": self.goal.metric,
            "mode": self.goal.mode,
            "epochs": self.epochs,
            "seeds": sorted({seed for candidate in self.candidates for seed in candidate.values}),
            "candidates": [candidate.as_dict(self.goal, self.epochs) for candidate in self.candidates],
            "default": self.default.as_dict(self.goal, self.epochs),
            "winner": self.winner,
            "gain": self.gain.as_dict(),
            "goals": [entry.as_dict() for entry in self.goals],
            "rule": self.rule,
            "decided_by": self.decision.goal.metric if self.decision else None,
            "needed_seeds": self.needed_seeds,
            "test": self.test or None,
        }

    def write(self, run: Path) -> None:
        """Write it to the proof's folder in a run."""
        replace_text(run / PROOF_FOLDER / PROOF_FILE, json.dumps(self.as_dict(), indent=2))

    @property
    def _breaks_constraint(self) -> bool:
        is_better = self.decision is not None and self.decision.verdict == "better"
        return is_better and not self.best.feasible and self.default.feasible

    def _describe_lack(self) -> str:
        """Describe which results a verdict lacks, and what the others reach."""
        lacks = [item.describe_lack() for item in (self.default, *self.candidates) if not item.values]
        results = [
            f"{item.name} reaches {self.goal.metric} {item.mean:.4g} over {item.count_seeds()}"
            f"{f', and {item.violation}' if item.violation else ''}"
            for item in (*self.candidates, self.default)
            if item.values
        ]
        return "; ".join([*lacks, *results])

    def _describe_goal(self) -> str:
        means = f"{self.best.name} reaches {self.goal.metric} {self.best.mean:.4g} over {self.best.count_seeds()}, "
        means += f"the default {self.default.mean:.4g} over {self.default.count_seeds()}"
        if math.isnan(self.gain.low):
            count = "one seed" if set(self.best.values) & set(self.default.values) else "no seed"
            return f"{means}; {count} in common gives no interval"
        return f"{means}; paired {describe_gain(self.gain.as_dict())}"

    def _describe_goals(self) -> str:
        """Describe all goals; the one that decided is named."""
        assert self.decision is not None  # for the type checker: there is a winner
        entries = []
        for entry in self.goals:
            text = f"{entry.goal.metric} {entry.winner:.4g} against {entry.default:.4g}, "
            text += describe_gain(entry.gain.as_dict())
            if entry.tolerance:
                text += f" (a loss of {entry.tolerance:.3g} is accepted)"
            entries.append(f"{text}, which decides" if entry.goal == self.decision.goal else text)
        seeds = f"over {self.best.count_seeds()} and {self.default.count_seeds()} of the default"
        return f"{self.best.name} {seeds}: {'; '.join(entries)}"

    def _describe_verdict(self) -> str:
        """Describe what "no better" excludes, or what would decide."""
        if self._breaks_constraint:
            return " It would be better, at the price of a constraint that the default keeps."
        if self.verdict == "no better" and self.decision is not None:
            gains = {entry.goal: entry.gain for entry in self.goals}
            origin = ", the standard deviation between seeds," if self.margin is None else ""
            return f" A gain of {gains[self.decision.goal].smallest:.3g} or more{origin} is excluded."
        if self.verdict != "not decided":
            return ""
        if self.needed_seeds is None:
            return f" Were the gain as measured, {MAX_SEEDS} seeds would not decide it."
        extra = self.needed_seeds - len(self.best.values)
        return (
            f" Were the gain as measured, about {format_count(extra, 'more seed')} ({self.needed_seeds} in all) would "
            "decide it."
        )


def rows_by_trial(proof: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Return the candidates and the default (0) of a `proof.json`, by trial."""
    return {row["trial"]: row for row in (*proof["candidates"], proof["default"])}


def describe_role(goal: Mapping[str, Any], proof: Mapping[str, Any]) -> str:
    """Describe the part that a goal of a `proof.json` has in the verdict."""
    if goal["metric"] == proof["decided_by"]:
        return "decides"
    if not proof["rule"]:
        return "none: the proof was asked for by another goal"
    return f"may lose {goal['tolerance']:.3g}" if goal["give_up"] else "none: it breaks ties"


def describe_test(test: Mapping[str, Any]) -> str:
    """Describe a look at the test split: winner and default as means over their seeds, and the gain, goal by goal."""
    entries = [
        f"{entry['metric']} {mean_value(entry['winner']):.4g} against {mean_value(entry['default']):.4g}, "
        f"{describe_gain(entry['gain'])}"
        for entry in test.get("goals") or [test]
    ]
    return "; ".join(entries)


def add_earlier_test(proof: Proof, looks: Sequence[Mapping[str, Any]]) -> Proof:
    """Add to a proof the result of the last look at the test split for the same winner, if there was one."""
    for count, look in reversed(list(enumerate(looks, start=1))):
        result = look["result"]
        if proof.winner is not None and result.get("trial") == proof.winner and result.get("gain"):
            test = {key: result[key] for key in ("metric", "winner", "default", "gain", "goals") if key in result}
            return replace(proof, test={**test, "looks": count})
    return proof
