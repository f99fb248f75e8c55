"""What a run's proof says where it has a winner, and which trials stand out: the winner before the search's best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.frames.experiment import Experiment

WINNER, SEARCHED, BEST = "winner", "best in the search", "best"


@dataclass(frozen=True)
class Proved:
    """The winner of a proof beside the default settings.

    Attributes:
        mean, default: over fresh seeds; None where all of them failed. seeds, default_seeds: how many that were.
    """

    trial: int
    sentence: str
    verdict: str
    metric: str
    mean: float | None
    seeds: int
    default: float | None
    default_seeds: int


def proved(experiment: Experiment) -> Proved | None:
    """The winner of a run's proof; None without a proof, or where nothing could be judged."""
    proof: dict[str, Any] = experiment.proof or {}
    row = next((each for each in proof.get("candidates", ()) if each["trial"] == proof.get("winner")), None)
    if row is None or row["trial"] not in experiment.trials.index:
        return None
    default = proof["default"]
    return Proved(
        trial=row["trial"],
        sentence=proof["sentence"],
        verdict=str(proof.get("verdict", "not known")),
        metric=str(proof.get("metric", experiment.objective.first.metric)),
        mean=row["mean"],
        seeds=len(row["values"]),
        default=default["mean"],
        default_seeds=len(default["values"]),
    )


def chosen_words(experiment: Experiment) -> str:
    """Of several goals a sentence on the trial that is chosen of them and by which rule; empty where there is none."""
    if not experiment.objective.several or experiment.chosen is None:
        return ""
    return f"Trial #{experiment.chosen} is chosen: {experiment.objective.rule}, each at its last epoch."


def standing_out(experiment: Experiment) -> dict[int, str]:
    """Trial → what it is called, the foremost first: the proved winner, then the search's best."""
    won, best = proved(experiment), experiment.best
    if won is None:
        return {} if best is None else {best: BEST}
    return {won.trial: WINNER, **({best: SEARCHED} if best not in (None, won.trial) else {})}


def foremost(experiment: Experiment) -> int | None:
    """The proved winner; without one the search's best."""
    return next(iter(standing_out(experiment)), None)
