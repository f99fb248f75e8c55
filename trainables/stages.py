"""The stages of a training: how each begins, what it leaves, and which trials may be compared in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from trainables.objective import COMPARABLE_END, COMPARABLE_STAGE, STAGE, STAGE_NAME, STAGES_LEFT
from trainables.settings import UsageError


class Stage(NamedTuple):
    """A part of a training. Trials are not compared across a border of stages unless the later stage allows it.

    Attributes:
        name: fit for a folder's name.
        end: epochs done when it is over.
        restarts_schedule: whether the learning rate's warm-up and decay start again; else the schedule runs through.
        lr_factor: peak learning rate as a multiple of the groups' own, where the schedule restarts.
        warmup: epochs of linear warm-up there; None: the config's `warmup_epochs`, at most half of the schedule.
        first_weights: whether the modules return to the weights that training began with.
        fresh_optimizer: whether the optimiser's moments are cleared.
        keeps_folder: whether weights, metrics and a panel are kept in a folder of the stage when it is over.
        comparable: whether its metrics mean the same as those of the stage before, so that trials in either stage may
            be compared at the same epoch.
        usable: whether the weights at its epochs are a model that predicts as it was scored; not where a copy was
            scored, or a part of the networks was left out.
    """

    name: str
    end: int
    restarts_schedule: bool = False
    lr_factor: float = 1.0
    warmup: float | None = None
    first_weights: bool = False
    fresh_optimizer: bool = False
    keeps_folder: bool = False
    comparable: bool = False
    usable: bool = True


def stage_index(stages: Sequence[Stage], epoch: int) -> int:
    """Return the index of the stage that an epoch (from 0) belongs to."""
    return sum(stage.end <= epoch for stage in stages)


def stage_report(stages: Sequence[Stage], epoch: int) -> dict[str, Any]:
    """Return the stage's part of an epoch's report: name, index, stages left, and with which epochs it may be compared.

    Two epochs may be compared if as many borders that bar comparison lie before them, and if their comparable stages
    end at the same epoch.
    """
    index, last = stage_index(stages, epoch), len(stages) - 1
    end = next((later for later in range(index, last) if not stages[later + 1].comparable), last)
    borders = sum(not stage.comparable for stage in stages[1 : index + 1])
    return {
        STAGE_NAME: stages[index].name,
        STAGE: float(index),
        STAGES_LEFT: float(last - index),
        COMPARABLE_STAGE: float(borders),
        COMPARABLE_END: float(stages[end].end),
    }


def check_usable(stages: Sequence[Stage], report: Mapping[str, Any], subject: str) -> None:
    """Check that the weights of a report are a model that predicts as it was scored.

    Args:
        stages: of the training.
        report: of the weights.
        subject: of the sentence that refuses them.

    Raises:
        UsageError: they are those of a stage of which this is not true.
    """
    index = min(int(report.get(STAGE, 0)), len(stages) - 1)
    if not stages[index].usable:
        reason = f" because of {report['stop_reason']}" if report.get("stop_reason") else ""
        raise UsageError(
            f"{subject} ended in stage {stages[index].name}{reason}, whose weights do not predict as they were scored: "
            f"what is used is a model of stage {stages[-1].name}."
        )
