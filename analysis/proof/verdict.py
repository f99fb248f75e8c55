"""The verdict on a winner by all goals of a space: their gains on the default, combined as the space's rule chooses.

The rule is lexicographic with tolerances (`Objective.choose`). It lets a goal with a tolerance (`give_up`) exclude a
trial that loses more than that, and leaves the rest to the goals after it. So "better" takes two things: that the goals
before the deciding one exclude a loss of more than their tolerance, and that the deciding goal excludes zero. Each is
shown by its own interval: a claim that takes all of several tests needs no correction for their number.

Source: Berger 1982, Multiparameter hypothesis testing and acceptance sampling (intersection-union test); a loss within
a margin is non-inferiority, Schuirmann 1987.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.proof.statistics import Gain, Verdict
from trainables.objective import Goal


@dataclass(frozen=True)
class GoalGain:
    """The gain in one goal.

    Attributes:
        winner, default: means over the seeds.
        tolerance: the loss that the space accepts in this goal for the goals after it, in the metric's unit.
    """

    goal: Goal
    gain: Gain
    winner: float
    default: float
    tolerance: float = 0.0

    @classmethod
    def of(cls, goal: Goal, gain: Gain, winner: float, default: float) -> GoalGain:
        """Create it with the tolerance that the rule has for these means."""
        best = max(goal.sign * winner, goal.sign * default)
        return cls(goal, gain, winner, default, goal.give_up * abs(best))

    def as_dict(self) -> dict[str, Any]:
        """Convert to plain values for `proof.json`."""
        return {
            "metric": self.goal.metric,
            "mode": self.goal.mode,
            "give_up": self.goal.give_up,
            "tolerance": self.tolerance,
            "winner": _finite(self.winner),
            "default": _finite(self.default),
            "gain": self.gain.as_dict(),
            "verdict": self.gain.verdict,
        }


@dataclass(frozen=True)
class Decision:
    """A verdict, and the goal by which it was made."""

    verdict: Verdict
    goal: Goal


def decide(goals: Sequence[GoalGain]) -> Decision:
    """Decide by the rule of a space which of two configs is better.

    Args:
        goals: in the order of the space, at least one. All before the first without a tolerance bound it; goals after
            that could only break ties, and do not count.
    """
    can_lose = can_win = False  # in a goal before, by more than its tolerance
    for entry in goals[:-1]:
        if not entry.goal.give_up:
            return _decide_last(entry, can_lose, can_win)
        if math.isnan(entry.gain.low):
            return Decision("not known", entry.goal)
        if entry.gain.low > entry.tolerance and not can_lose:
            return Decision("better", entry.goal)
        if entry.gain.high < -entry.tolerance and not can_win:
            return Decision("worse", entry.goal)
        can_lose |= entry.gain.low < -entry.tolerance
        can_win |= entry.gain.high > entry.tolerance
    return _decide_last(goals[-1], can_lose, can_win)


def _decide_last(entry: GoalGain, can_lose: bool, can_win: bool) -> Decision:
    verdict = entry.gain.verdict
    is_open = can_lose if verdict == "better" else can_win if verdict in ("worse", "no better") else False
    return Decision("not decided" if is_open else verdict, entry.goal)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
