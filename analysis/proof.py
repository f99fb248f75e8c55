"""The proof of a run: what its best trials and the default settings reach with fresh seeds, judged.

`python -m analysis.retrain` trains and writes it, as `retrain/proof.json` in the run's folder; report, comparison and
export read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.experiment import CONFIRMATION, PROOF, Experiment
from analysis.statistics import Interval, Verdict, best_gain
from trainables.files import replace_text
from trainables.objective import Goal


@dataclass(frozen=True)
class Candidate:
    """Settings that were trained again.

    Attributes:
        trial: number in the search; 0 is the default.
        values: seed → the goal's metric at the best epoch of that training.
        failed: seeds whose training failed.
        feasible: whether the constraints hold on average over the seeds.
        searched: what the search had found for it, on one seed; None where it has no result.
        trainings: seed → number of the training in the confirmation.
    """

    trial: int
    values: Mapping[int, float]
    failed: Sequence[int]
    feasible: bool
    searched: float | None
    trainings: Mapping[int, int]

    @property
    def name(self) -> str:
        """For people."""
        return f"trial {self.trial}" if self.trial else "the default"

    @property
    def mean(self) -> float:
        """Over the seeds; NaN where all failed."""
        return float(np.mean(list(self.values.values()))) if self.values else math.nan

    def as_dict(self, goal: Goal) -> dict[str, Any]:
        """Plain values for JSON; `optimism` is by how much the search's figure was too good."""
        better = 1 if goal.mode == "max" else -1
        known = self.searched is not None and bool(self.values)
        optimism = better * (self.searched - self.mean) if known and self.searched is not None else None
        return {**asdict(self), "mean": self.mean if self.values else None, "optimism": optimism}


@dataclass(frozen=True)
class Proof:
    """The candidates, the default, the winner, and its gain (positive is better, whatever the goal's mode).

    Attributes:
        winner: its trial number; None where no candidate can be judged.
        test: what one look at the test split showed; empty before.
    """

    goal: Goal
    epochs: int
    candidates: tuple[Candidate, ...]
    default: Candidate
    winner: int | None
    gain: Interval
    test: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """What the interval says."""
        return self.gain.verdict

    @property
    def best(self) -> Candidate:
        """The winner.

        Raises:
            KeyError: there is none.
        """
        return {each.trial: each for each in self.candidates}[self.winner if self.winner is not None else -1]

    @property
    def sentence(self) -> str:
        """The result in words, its outcome first."""
        if self.winner is None:
            return "Not proved: no candidate has a result on the seeds of the default; their failures say why."
        winner, metric = self.best, self.goal.metric
        figures = f"trial {self.winner} reaches {metric} {winner.mean:.4g} over {_seeds(winner)}, the default "
        figures += f"{self.default.mean:.4g} over {_seeds(self.default)}"
        kept = "" if winner.feasible else " It violates a constraint on average."
        if math.isnan(self.gain.low):
            return f"Not proved: {figures}; one seed in common gives no interval.{kept}"
        first = f"{self.verdict.capitalize()} than the default"
        bounds = f"{self.gain.confidence:.0%} interval {self.gain.low:+.3g} to {self.gain.high:+.3g}"
        return f"{first}: {figures}; gain {self.gain.value:+.3g}, {bounds}.{kept}"

    @property
    def optimism(self) -> str:
        """By how much the search's own figure of the winner was too good."""
        searched = self.best.searched
        if searched is None or not self.best.values:
            return ""
        by = abs(searched - self.best.mean)
        better = self.goal.better(searched, than=self.best.mean)
        what = f"{by:.3g} too good" if better else f"not too good: {by:.3g} worse"
        return f"The search had said {searched:.4g} for trial {self.winner}, on one seed: {what}."

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `proof.json`; `read` gives them back."""
        return {
            "sentence": self.sentence,
            "verdict": self.verdict,
            "metric": self.goal.metric,
            "mode": self.goal.mode,
            "epochs": self.epochs,
            "seeds": sorted({seed for each in self.candidates for seed in each.values}),
            "candidates": [each.as_dict(self.goal) for each in self.candidates],
            "default": self.default.as_dict(self.goal),
            "winner": self.winner,
            "gain": self.gain.as_dict(),
            "test": self.test or None,
        }

    def write(self, run: Path) -> None:
        """Save it in a run's confirmation."""
        replace_text(run / CONFIRMATION / PROOF, json.dumps(self.as_dict(), indent=2))


def with_earlier_test(proof: Proof, earlier: Mapping[str, Any] | None) -> Proof:
    """The proof with what an earlier look at the test split showed of the same winner, if there was one."""
    if earlier is None or earlier["winner"] != proof.winner or not earlier["test"]:
        return proof
    return replace(proof, test=earlier["test"])


def judge(search: Experiment, confirmation: Experiment, goal: Goal, among: Collection[int]) -> Proof:
    """Judge a confirmation as far as it has got.

    Args:
        among: the trials that are candidates; others, which an earlier call trained, are left out.

    Returns:
        The proof. Its winner has the best mean of those that keep the constraints on average and failed on no seed;
        where none does, of all that have a result. A seed on which the default failed is left out.
    """
    trained = confirmation.trials.assign(candidate=confirmation.trials["origin"].map(trial_of))
    everyone = [_candidate(number, rows, search, goal) for number, rows in trained.groupby("candidate")]
    default = next((each for each in everyone if each.trial == 0), Candidate(0, {}, (), True, None, {}))
    candidates = tuple(each for each in everyone if each.trial != 0 and each.trial in among)
    comparable = [each for each in candidates if set(each.values) & set(default.values)]
    sound = [each for each in comparable if each.feasible and not each.failed]
    judged = sound or comparable
    epochs = confirmation.space.budget.max_epochs
    if not judged:
        return Proof(goal, epochs, candidates, default, None, Interval(math.nan, math.nan, math.nan))
    sign = 1 if goal.mode == "max" else -1
    signed = [{seed: sign * value for seed, value in each.values.items()} for each in [default, *judged]]
    winner, gain = best_gain(signed[1:], signed[0])
    return Proof(goal, epochs, candidates, default, judged[winner].trial, gain)


def _candidate(number: Any, rows: pd.DataFrame, search: Experiment, goal: Goal) -> Candidate:
    seeds = rows["seed"].astype(int)
    known = rows[goal.metric].notna()
    searched = search.trials[goal.metric].get(number)
    bounds = search.objective.constraints
    return Candidate(
        trial=int(number),
        values={
            int(seed): float(value) for seed, value in zip(seeds[known], rows.loc[known, goal.metric], strict=True)
        },
        failed=tuple(int(seed) for seed in seeds[rows["status"] == "failed"]),
        feasible=all(rows[metric].mean() <= bound for metric, bound in bounds.items()),
        searched=None if searched is None or math.isnan(searched) else float(searched),
        trainings={int(seed): int(training) for seed, training in zip(seeds, rows.index, strict=True)},
    )


def trial_of(origin: str) -> int:
    """The trial that a training repeats, from its origin: `default` or `trial 21`."""
    return 0 if origin == "default" else int(origin.removeprefix("trial "))


def _seeds(candidate: Candidate) -> str:
    failed = f", {len(candidate.failed)} more failed" if candidate.failed else ""
    return f"{len(candidate.values)} seed{'s' if len(candidate.values) != 1 else ''}{failed}"
