"""The leading trials of a run: the winner of its proof, if there is one, then the best of the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.frames.experiment import Experiment
from analysis.wording import capitalise
from trainables.standing import describe_excluded, describe_stop

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


def describe_exclusion(experiment: Experiment, trial: int) -> str:
    """Describe why a trial may not be compared; empty for one that may."""
    if trial not in experiment.excluded:
        return ""
    row: dict[Any, Any] = experiment.trials.loc[trial].to_dict()
    if row["status"] == "running":
        return f"still in stage {row['stage']}; not compared"
    return describe_stop(row["stage"], row["reason"] if isinstance(row["reason"], str) else None)


def list_remarks(experiment: Experiment) -> str:
    """Write sentences on the trials that are not compared, and on the default trial; empty where there are none."""
    remarks = (experiment.default_note, describe_excluded(experiment.excluded))
    return "".join(f" {capitalise(remark)}." for remark in remarks if remark)


def name_leaders(experiment: Experiment) -> dict[int, str]:
    """Label the leading trials, by number: the winner of the proof first, then the search's best."""
    winner, best = find_winner(experiment), experiment.best
    if winner is None:
        return {} if best is None else {best: BEST}
    return {winner.trial: WINNER, **({best: SEARCH_BEST} if best not in (None, winner.trial) else {})}


def find_leader(experiment: Experiment) -> int | None:
    """Return the winner of the proof; without one the search's best."""
    return next(iter(name_leaders(experiment)), None)
