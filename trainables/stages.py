"""The stages of a training: what each begins with and leaves, and with which others its figures may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trainables.objective import COMPARED, COMPARED_END, STAGE


class Stage(NamedTuple):
    """A part of a training. Trials are not compared across the border of two, but where the later one allows it.

    Attributes:
        name: fit for a folder's name.
        end: epochs done when it is over.
        anew: whether the learning rate's warm-up and decay begin anew with it; else the schedule goes on through it.
        lr_factor: peak learning rate as a multiple of the groups' own, where the schedule begins anew.
        warmup: epochs of linear warm-up there; None: the config's `warmup_epochs`, at most half of the schedule.
        first_weights: whether the modules go back to the weights that training began with.
        fresh_optimizer: whether the optimiser forgets its moments.
        kept: whether weights, metrics and a picture are kept in a folder of its own when it is over.
        comparable: whether its figures mean the same as those of the stage before, so that at the same epoch trials in
            either may be compared.
    """

    name: str
    end: int
    anew: bool = False
    lr_factor: float = 1.0
    warmup: float | None = None
    first_weights: bool = False
    fresh_optimizer: bool = False
    kept: bool = False
    comparable: bool = False


def place(stages: Sequence[Stage], epoch: int) -> int:
    """The index of the stage that an epoch (from 0) belongs to."""
    return sum(stage.end <= epoch for stage in stages)


def reported(stages: Sequence[Stage], epoch: int) -> dict[str, float]:
    """What a report says of an epoch's stage: which it is, and with what the epoch may be compared.

    That is the same number of borders that bar comparison, and the same end of what may be compared.
    """
    here, last = place(stages, epoch), len(stages) - 1
    end = next((each for each in range(here, last) if not stages[each + 1].comparable), last)
    barred = sum(not each.comparable for each in stages[1 : here + 1])
    return {STAGE: float(here), COMPARED: float(barred), COMPARED_END: float(stages[end].end)}
