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

from analysis.frames.experiment import CONFIRMATION, PROOF, Experiment
from analysis.proof.statistics import Interval, Verdict, best_gain, gain_words
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
        searched_epochs: how many it had trained there.
        trainings: seed → number of the training in the confirmation.
    """

    trial: int
    values: Mapping[int, float]
    failed: Sequence[int]
    feasible: bool
    searched: float | None
    searched_epochs: int | None
    trainings: Mapping[int, int]

    @property
    def name(self) -> str:
        """For people."""
        return f"trial {self.trial}" if self.trial else "the default"

    @property
    def mean(self) -> float:
        """Over the seeds; NaN where all failed."""
        return float(np.mean(list(self.values.values()))) if self.values else math.nan

    def optimism(self, goal: Goal, epochs: int) -> float | None:
        """By how much the search's figure was too good; None where it is of another number of epochs."""
        if self.searched is None or self.searched_epochs != epochs or not self.values:
            return None
        return goal.sign * (self.searched - self.mean)

    def as_dict(self, goal: Goal, epochs: int) -> dict[str, Any]:
        """Plain values for JSON."""
        mean = self.mean if self.values else None
        return {**asdict(self), "mean": mean, "optimism": self.optimism(goal, epochs)}


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
            shared = len(set(winner.values) & set(self.default.values))
            return f"Not proved: {figures}; {'one seed' if shared else 'no seed'} in common gives no interval.{kept}"
        first = f"{self.verdict.capitalize()} than the default"
        bounds = f"{self.gain.confidence:.0%} interval {self.gain.low:+.3g} to {self.gain.high:+.3g}"
        return f"{first}: {figures}; paired gain {self.gain.value:+.3g}, {bounds}.{kept}"

    @property
    def optimism(self) -> str:
        """By how much the search's own figure of the winner was too good."""
        searched, by = self.best.searched, self.best.optimism(self.goal, self.epochs)
        if searched is None:
            return f"The search has no result for trial {self.winner}."
        said = f"The search had said {searched:.4g} for trial {self.winner}, on one seed"
        if by is None:
            return f"{said} and within {self.best.searched_epochs} epochs, not {self.epochs}: they cannot be compared."
        return f"{said}: {f'{by:.3g} too good' if by > 0 else f'not too good: {-by:.3g} worse'}."

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `proof.json`; `read` gives them back."""
        return {
            "sentence": self.sentence,
            "verdict": self.verdict,
            "metric": self.goal.metric,
            "mode": self.goal.mode,
            "epochs": self.epochs,
            "seeds": sorted({seed for each in self.candidates for seed in each.values}),
            "candidates": [each.as_dict(self.goal, self.epochs) for each in self.candidates],
            "default": self.default.as_dict(self.goal, self.epochs),
            "winner": self.winner,
            "gain": self.gain.as_dict(),
            "test": self.test or None,
        }

    def write(self, run: Path) -> None:
        """Save it in a run's confirmation."""
        replace_text(run / CONFIRMATION / PROOF, json.dumps(self.as_dict(), indent=2))


def rows_by_trial(proof: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """The candidates and the default (0) of a `proof.json`, by trial."""
    return {each["trial"]: each for each in (*proof["candidates"], proof["default"])}


def tested_words(test: Mapping[str, Any]) -> str:
    """What a look at the test split showed of winner and default, as means over their seeds, and the gain."""
    winner, default = (np.mean(list(test[name].values())) for name in ("winner", "default"))
    return f"{winner:.4g} against {default:.4g}, {gain_words(test['gain'])}"


def with_earlier_test(proof: Proof, looks: Sequence[Mapping[str, Any]]) -> Proof:
    """The proof with what the last look at the test split for the same winner showed, if there was one."""
    for count, look in reversed(list(enumerate(looks, start=1))):
        result = look["result"]
        if proof.winner is not None and result.get("trial") == proof.winner and result.get("gain"):
            shown = {key: result[key] for key in ("metric", "winner", "default", "gain")}
            return replace(proof, test={**shown, "looks": count})
    return proof


def judge(search: Experiment, confirmation: Experiment, goal: Goal, among: Collection[tuple[str, int]]) -> Proof:
    """Judge a confirmation as far as it has got.

    Args:
        among: origin and seed of the trainings that count; others, which an earlier call asked for, are left out.

    Returns:
        The proof. Its winner has the best mean of those that keep the constraints on average and failed on no seed;
        where none does, of those that share most seeds with the default, on which it may have failed as well.
    """
    trained = confirmation.trials
    asked = pd.Series(
        [(origin, seed) in among for origin, seed in zip(trained["origin"], trained["seed"], strict=True)],
        index=trained.index,
        dtype=bool,
    )
    trained = trained[asked].drop_duplicates(["origin", "seed"], keep="last")  # one that was tried again counts once
    epochs = confirmation.space.budget.max_epochs
    everyone = [
        _candidate(trial_of(str(origin)), rows, search, goal, epochs) for origin, rows in trained.groupby("origin")
    ]
    default = next((each for each in everyone if each.trial == 0), Candidate(0, {}, (), True, None, None, {}))
    candidates = tuple(sorted((each for each in everyone if each.trial != 0), key=lambda each: each.trial))
    judged = [each for each in candidates if each.feasible and not each.failed] or _most_seeds(candidates, default)
    if not judged or not default.values:
        return Proof(goal, epochs, candidates, default, None, Interval(math.nan, math.nan, math.nan))
    signed = [{seed: goal.sign * value for seed, value in each.values.items()} for each in [default, *judged]]
    winner, gain = best_gain(signed[1:], signed[0])
    return Proof(goal, epochs, candidates, default, judged[winner].trial, gain)


def _most_seeds(candidates: Sequence[Candidate], default: Candidate) -> list[Candidate]:
    """Those that share the largest set of seeds with the default."""
    shared = {each.trial: frozenset(each.values) & frozenset(default.values) for each in candidates if each.values}
    if not shared:
        return []
    largest = max(shared.values(), key=len)
    return [each for each in candidates if each.trial in shared and shared[each.trial] >= largest]


def _candidate(number: int, rows: pd.DataFrame, search: Experiment, goal: Goal, epochs: int) -> Candidate:
    seeds = rows["seed"].astype(int)
    known = rows[goal.metric].notna()
    results = zip(seeds[known], rows.loc[known, goal.metric], strict=True)
    before = search.trials[goal.metric].dropna().get(number)
    return Candidate(
        trial=number,
        values={int(seed): float(value) for seed, value in results},
        failed=tuple(int(seed) for seed in seeds[rows["status"] == "failed"]),
        feasible=all(rows[metric].mean() <= bound for metric, bound in search.objective.constraints.items()),
        searched=None if before is None else float(before),
        searched_epochs=None if before is None else int(search.trials["epochs"][number]),
        trainings={int(seed): int(training) for seed, training in zip(seeds, rows.index, strict=True)},
    )


def trial_of(origin: str) -> int:
    """The trial that a training repeats, from its origin: `default` or `trial 21`."""
    return 0 if origin == "default" else int(origin.removeprefix("trial "))


def _seeds(candidate: Candidate) -> str:
    failed = f", {len(candidate.failed)} more failed" if candidate.failed else ""
    return f"{len(candidate.values)} seed{'s' if len(candidate.values) != 1 else ''}{failed}"
