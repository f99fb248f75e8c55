"""The proof of a run: its best trials and the default settings over fresh seeds, and the verdict on the winner.

`python -m analysis.retrain` writes it as `retrain/proof.json` in the run's folder; page, comparison and export read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames.experiment import PROOF_FILE, PROOF_FOLDER, Experiment
from analysis.proof.statistics import Interval, Verdict, best_gain, describe_gain
from analysis.wording import format_count
from trainables.files import replace_text
from trainables.objective import Goal


@dataclass(frozen=True)
class Candidate:
    """The settings of a trial, or the default settings, trained again over fresh seeds.

    Attributes:
        trial: number in the search; 0 is the default.
        values: the goal's metric at the best epoch of each training, by seed.
        failed: seeds whose training failed.
        feasible: whether the constraints hold on average over the seeds.
        search_value: the result in the search, on one seed; None where it has none.
        search_epochs: the number of epochs trained in the search.
        trainings: number of each training in the proof's folder, by seed.
    """

    trial: int
    values: Mapping[int, float]
    failed: Sequence[int]
    feasible: bool
    search_value: float | None
    search_epochs: int | None
    trainings: Mapping[int, int]

    @property
    def name(self) -> str:
        """The name for people."""
        return f"trial {self.trial}" if self.trial else "the default"

    @property
    def mean(self) -> float:
        """The mean over the seeds; NaN where all failed."""
        return float(np.mean(list(self.values.values()))) if self.values else math.nan

    def optimism(self, goal: Goal, epochs: int) -> float | None:
        """Return by how much the search's value was too good; None if it was trained for another number of epochs."""
        if self.search_value is None or self.search_epochs != epochs or not self.values:
            return None
        return goal.sign * (self.search_value - self.mean)

    def as_dict(self, goal: Goal, epochs: int) -> dict[str, Any]:
        """Convert to plain values for JSON."""
        return {
            "trial": self.trial,
            "values": self.values,
            "failed": self.failed,
            "feasible": self.feasible,
            "searched": self.search_value,
            "searched_epochs": self.search_epochs,
            "trainings": self.trainings,
            "mean": self.mean if self.values else None,
            "optimism": self.optimism(goal, epochs),
        }


@dataclass(frozen=True)
class Proof:
    """The candidates, the default, the winner, and its gain (positive is better, whatever the goal's mode).

    Attributes:
        winner: trial number of the winner; None where no candidate can be judged.
        test: the result of the last look at the test split; empty before the first.
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
        """The verdict of the gain's interval."""
        return self.gain.verdict

    @property
    def best(self) -> Candidate:
        """The winner.

        Raises:
            KeyError: there is none.
        """
        return {candidate.trial: candidate for candidate in self.candidates}[-1 if self.winner is None else self.winner]

    @property
    def sentence(self) -> str:
        """The result in a sentence that begins with the verdict."""
        if self.winner is None:
            return "Not proved: no candidate has a result on the seeds of the default; their failures say why."
        winner, metric = self.best, self.goal.metric
        means = f"trial {self.winner} reaches {metric} {winner.mean:.4g} over {_count_seeds(winner)}, the default "
        means += f"{self.default.mean:.4g} over {_count_seeds(self.default)}"
        violation = "" if winner.feasible else " It violates a constraint on average."
        if math.isnan(self.gain.low):
            count = "one seed" if set(winner.values) & set(self.default.values) else "no seed"
            return f"Not proved: {means}; {count} in common gives no interval.{violation}"
        verdict = f"{self.verdict.capitalize()} than the default"
        bounds = f"{self.gain.confidence:.0%} interval {self.gain.low:+.3g} to {self.gain.high:+.3g}"
        return f"{verdict}: {means}; paired gain {self.gain.value:+.3g}, {bounds}.{violation}"

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
            "test": self.test or None,
        }

    def write(self, run: Path) -> None:
        """Write it to the proof's folder in a run."""
        replace_text(run / PROOF_FOLDER / PROOF_FILE, json.dumps(self.as_dict(), indent=2))


def rows_by_trial(proof: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Return the candidates and the default (0) of a `proof.json`, by trial."""
    return {row["trial"]: row for row in (*proof["candidates"], proof["default"])}


def describe_test(test: Mapping[str, Any]) -> str:
    """Describe a look at the test split: winner and default as means over their seeds, and the gain."""
    winner, default = (np.mean(list(test[name].values())) for name in ("winner", "default"))
    return f"{winner:.4g} against {default:.4g}, {describe_gain(test['gain'])}"


def add_earlier_test(proof: Proof, looks: Sequence[Mapping[str, Any]]) -> Proof:
    """Add to a proof the result of the last look at the test split for the same winner, if there was one."""
    for count, look in reversed(list(enumerate(looks, start=1))):
        result = look["result"]
        if proof.winner is not None and result.get("trial") == proof.winner and result.get("gain"):
            test = {key: result[key] for key in ("metric", "winner", "default", "gain")}
            return replace(proof, test={**test, "looks": count})
    return proof


def judge(search: Experiment, trainings: Experiment, goal: Goal, plan: Collection[tuple[str, int]]) -> Proof:
    """Judge the trainings of a proof that have ended so far.

    Args:
        search: the run that is to be proved.
        trainings: the proof's folder, read as a run.
        goal: the goal to judge by.
        plan: origin and seed of the trainings that count; others, planned by an earlier call, are left out.

    Returns:
        The proof. Its winner has the best mean of the candidates that keep the constraints on average and failed on
        no seed; where there are none, of those that share most seeds with the default, which may have failed as well.
    """
    trials = trainings.trials
    in_plan = np.array([key in plan for key in zip(trials["origin"], trials["seed"], strict=True)], dtype=bool)
    trials = trials[in_plan].drop_duplicates(["origin", "seed"], keep="last")  # a repeated training counts once
    epochs = trainings.space.budget.max_epochs
    configs = [
        _make_candidate(parse_origin(str(origin)), rows, search, goal) for origin, rows in trials.groupby("origin")
    ]
    default = next((config for config in configs if config.trial == 0), Candidate(0, {}, (), True, None, None, {}))
    candidates = tuple(sorted((config for config in configs if config.trial), key=lambda config: config.trial))
    eligible = [candidate for candidate in candidates if candidate.feasible and not candidate.failed]
    eligible = eligible or _share_most_seeds(candidates, default)
    if not eligible or not default.values:
        return Proof(goal, epochs, candidates, default, None, Interval(math.nan, math.nan, math.nan))
    index, gain = best_gain([_sign(candidate, goal) for candidate in eligible], _sign(default, goal))
    return Proof(goal, epochs, candidates, default, eligible[index].trial, gain)


def _sign(candidate: Candidate, goal: Goal) -> dict[int, float]:
    """Return the values by seed, larger is better."""
    return {seed: goal.sign * value for seed, value in candidate.values.items()}


def _share_most_seeds(candidates: Sequence[Candidate], default: Candidate) -> list[Candidate]:
    """Select the candidates that share the largest set of seeds with the default."""
    with_values = [candidate for candidate in candidates if candidate.values]
    seeds = {candidate.trial: frozenset(candidate.values) & frozenset(default.values) for candidate in with_values}
    if not seeds:
        return []
    largest = max(seeds.values(), key=len)
    return [candidate for candidate in with_values if seeds[candidate.trial] >= largest]


def _make_candidate(number: int, rows: pd.DataFrame, search: Experiment, goal: Goal) -> Candidate:
    seeds = rows["seed"].astype(int)
    has_result = rows[goal.metric].notna()
    results = zip(seeds[has_result], rows.loc[has_result, goal.metric], strict=True)
    search_value = search.trials[goal.metric].dropna().get(number)
    return Candidate(
        trial=number,
        values={int(seed): float(value) for seed, value in results},
        failed=tuple(int(seed) for seed in seeds[rows["status"] == "failed"]),
        feasible=all(rows[metric].mean() <= bound for metric, bound in search.objective.constraints.items()),
        search_value=None if search_value is None else float(search_value),
        search_epochs=None if search_value is None else int(search.trials["epochs"][number]),
        trainings={int(seed): int(training) for seed, training in zip(seeds, rows.index, strict=True)},
    )


def parse_origin(origin: str) -> int:
    """Return the trial that a training repeats, from its origin: `default` or `trial 21`."""
    return 0 if origin == "default" else int(origin.removeprefix("trial "))


def _count_seeds(candidate: Candidate) -> str:
    failed = f", {len(candidate.failed)} more failed" if candidate.failed else ""
    return f"{format_count(len(candidate.values), 'seed')}{failed}"
