"""Which trials of a run may be compared, in which order, and what is said of those that may not.

The report that stands for a trial is `Objective.standing_report`. Trials are compared within one stage: what was
stopped in an earlier stage than others reached has figures that mean something else, or of weights that are of no use
by themselves, and is listed apart. A stage is told by the number of stages left after it, because trials of one run may
have different stages: a control without self-training is in its last stage from the first epoch on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from trainables.objective import COMPARABLE_END, STAGE, STAGE_NAME, STAGES_LEFT, VIOLATION, Objective, is_number

Report = Mapping[str, Any]

SETTLING_CAUSES = ("patience", "health")
"""Causes with which a trial ends itself: within its stage, its last report stands for its result at full budget."""


class Comparison(NamedTuple):
    """The trials of a run, as far as they have a report that stands for them.

    Attributes:
        ranking: trials that may be compared: those of the furthest stage that any reached, the best first.
        excluded: the others, by number: the name of the stage in which each was left.
        stage: name of the stage of those that are compared; empty for the last one.
    """

    ranking: list[int]
    excluded: dict[int, str]
    stage: str


def compare_trials(objective: Objective, reports: Mapping[int, Report | None], epochs: int) -> Comparison:
    """Tell the trials that may be compared from the others, and rank them.

    Args:
        objective: of the run.
        reports: the standing report of every trial that did not fail; None where there is none.
        epochs: full budget of a trial.
    """
    standing = {number: report for number, report in reports.items() if report is not None}
    left = {number: stages_left(report, epochs) for number, report in standing.items()}
    fewest = min(left.values(), default=0)
    candidates = sorted(number for number in standing if left[number] == fewest)
    ranking = sorted(candidates, key=lambda number: objective.rank(standing[number]), reverse=True)
    excluded = {number: stage_name(standing[number]) for number in sorted(standing) if left[number] > fewest}
    stage = stage_name(standing[ranking[0]]) if fewest else ""
    return Comparison(ranking, excluded, stage)


def stages_left(report: Report, epochs: int) -> int:
    """Return how many stages of a training come after that of a report.

    Reports from before there was such a key say only where their comparable stage ends: 1 stands for any earlier stage.
    """
    left, end = report.get(STAGES_LEFT), report.get(COMPARABLE_END)
    if is_number(left):
        return int(left)
    return int(is_number(end) and end < epochs)


def stage_name(report: Report) -> str:
    """Return the name of a report's stage; of an older report its number."""
    name, index = report.get(STAGE_NAME), report.get(STAGE)
    return str(name) if isinstance(name, str) and name else f"{int(index) + 1 if is_number(index) else 1}"


def reaches(report: Report, epoch: int) -> bool:
    """Return whether an epoch lies in the comparable stage of a report, so that the report may stand for it."""
    end = report.get(COMPARABLE_END)
    return not is_number(end) or epoch <= end


def is_settled(status: str, cause: str | None) -> bool:
    """Return whether a trial trained to its end: its budget, or what it ended itself for."""
    return status == "finished" or cause in SETTLING_CAUSES


# -- several goals -----------------------------------------------------------------------------------------------------


def find_front(objective: Objective, reports: Mapping[int, Report]) -> list[int]:
    """List the trials that no other dominates, in their order; those that violate a constraint count only if all do.

    Args:
        objective: of the run.
        reports: the standing reports of settled trials that may be compared.
    """
    feasible = {number: report for number, report in reports.items() if report[VIOLATION] == 0} or reports
    numbers = list(feasible)
    return [numbers[index] for index in objective.front([objective.values(feasible[number]) for number in numbers])]


def choose_trial(objective: Objective, front: Mapping[int, Report]) -> int | None:
    """Choose a trial of a front by the objective's rule; None where no trial there keeps the constraints."""
    numbers = sorted(number for number, report in front.items() if report[VIOLATION] == 0)
    index = objective.choose([objective.values(front[number]) for number in numbers])
    return None if index is None else numbers[index]


# -- sentences ---------------------------------------------------------------------------------------------------------


def describe_excluded(excluded: Mapping[int, str], limit: int = 5) -> str:
    """Describe the trials that are not compared, by stage, so many of each by number; empty without any."""
    stages: dict[str, list[int]] = {}
    for number, stage in excluded.items():
        stages.setdefault(stage, []).append(number)
    phrases = [f"{_join_numbers(numbers, limit)} in stage {stage}" for stage, numbers in stages.items()]
    return f"not compared: {', '.join(phrases)}" if phrases else ""


def describe_stop(stage: str, reason: str | None) -> str:
    """Describe a trial that was left in an earlier stage than others."""
    return f"stopped in stage {stage}{f' ({reason})' if reason else ''}; not compared"


def describe_default(
    status: str, reason: str | None, *, epochs: int, budget: int, stage: str, figure: str, is_compared: bool
) -> str:
    """Describe what a comparison with the default trial must not hide; empty where there is nothing of the kind.

    Args:
        status: of the default trial.
        reason: why it ended, or None.
        epochs: that it trained.
        budget: epochs of a trial that nothing stops.
        stage: name of the stage in which it was left.
        figure: its metric there with the value, for people to know; empty where it has none.
        is_compared: whether it may be compared with the best trial.
    """
    missing = "no default to compare with: it"
    cause = f" because of {reason}" if reason else ""
    if is_compared:
        is_early = status == "stopped" and epochs < budget
        return f"the default stopped itself at epoch {epochs} of {budget}{cause}" if is_early else ""
    if status == "failed":
        return f"{missing} failed{f': {reason}' if reason else ''}"
    if not epochs:
        return f"{missing} has no result yet"
    if status == "running":
        return f"{missing} is still in stage {stage}"
    return f"{missing} was stopped in stage {stage}{f' at {figure}' if figure else ''}{cause}"


def _join_numbers(numbers: Collection[int], limit: int) -> str:
    names = ", ".join(f"#{number}" for number in list(numbers)[:limit])
    rest = max(0, len(numbers) - limit)
    noun = "more" if names else "trial" if rest == 1 else "trials"
    return " and ".join(filter(None, [names, f"{rest} {noun}" if rest else ""]))
