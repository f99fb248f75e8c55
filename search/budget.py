"""What a search may spend, and how it spends it: budget, rule of stopping, source of new configs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainables.settings import Settings, UsageError, setting


@dataclass(frozen=True, kw_only=True)
class Budget(Settings):
    """Budget of a search."""

    trials: int = setting(24, "trials in all, the default settings included", low=1)
    max_epochs: int = setting(9, "epochs of a trial that is never stopped; the variant's schedules follow it", low=1)
    grace_epochs: int = setting(3, "epochs before a trial may be stopped, and the first rung", low=1)
    reduction: int = setting(3, "one in this many trials passes a rung", low=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grace_epochs > self.max_epochs:
            raise UsageError(
                f"grace_epochs={self.grace_epochs} is more than max_epochs={self.max_epochs}; lower it, or raise that."
            )

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which trials are compared; the last one is the full budget."""
        rungs, epoch = [], self.grace_epochs
        while epoch < self.max_epochs:
            rungs.append(epoch)
            epoch *= self.reduction
        return (*rungs, self.max_epochs)


@dataclass(frozen=True, kw_only=True)
class SchedulerChoice(Settings):
    """Choice of the rule that stops trials before their budget ends."""

    kind: Literal["asha", "median", "none"] = setting(
        "asha", "asha: the best share at each rung; median: below the median"
    )


@dataclass(frozen=True, kw_only=True)
class SearcherChoice(Settings):
    """Choice of the source of new configs."""

    kind: Literal["rung", "random"] = setting("rung", "rung: TPE on the highest rung with enough results; random")
    random_share: float = setting(
        0.2, "share of trials drawn at random, for what a model would never try", low=0.0, high=1.0
    )
    min_results: int = setting(8, "results at a rung before its model is used", low=2)
