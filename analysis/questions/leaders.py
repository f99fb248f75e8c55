"""The leading trials of a run: the winner of its proof, if there is one, then the best of the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.frames.experiment import Experiment

WINNER, SEARCH_BEST, BEST = "winner", "best in the search", "best"


@dataclass(frozen=True)
class Winner:
    """The winner of a proof beside the default settings.

    Attributes:
        mean, default: mean results over fresh seeds; None where all of them failed.
        seeds, default_seeds: number of seeds with a result.
    """

    trial: int
    sentence: str
    verdict: str
    metric: str
    mean: float | None
    seeds: int
    default: float | None
    default_seeds: int


def find_winner(experiment: Experiment) -> Winner | None:
    """Find the winner of a run's proof; None without a proof, or where nothing could be judged."""
    proof: dict[str, Any] = experiment.proof or {}
    row = next((row for row in proof.get("candidates", ()) if row["trial"] == proof.get("winner")), None)
    if row is None or row["trial"] not in experiment.trials.index:
        return None
    default = proof["default"]
    return Winner(
        trial=row["trial"],
        sentence=proof["sentence"],
        verdict=str(proof.get("verdict", "not known")),
        metric=str(proof.get("metric", experiment.objective.first.metric)),
        mean=row["mean"],
        seeds=len(row["values"]),
        default=default["mean"],
        default_seeds=len(default["values"]),
    )


def describe_choice(experiment: Experiment) -> str:
    """Describe, for several goals, which trial is chosen and by which rule; empty where there is none."""
    if not experiment.objective.is_multi or experiment.choice is None:
        return ""
    return f"Trial #{experiment.choice} is chosen: {experiment.objective.rule}, each at its last epoch."


def name_leaders(experiment: Experiment) -> dict[int, str]:
    """Label the leading trials, by number: the winner of the proof first, then the search's best."""
    winner, best = find_winner(experiment), experiment.best
    if winner is None:
        return {} if best is None else {best: BEST}
    return {winner.trial: WINNER, **({best: SEARCH_BEST} if best not in (None, winner.trial) else {})}


def find_leader(experiment: Experiment) -> int | None:
    """Return the winner of the proof; without one the search's best."""
    return next(iter(name_leaders(experiment)), None)
