"""The learning rate over a training: linear warm-up, then half a cosine to zero; restarted where a stage asks for it.

Source: Loshchilov and Hutter 2017, SGDR, equation 5; warm-up as in Goyal et al. 2017, section 2.2.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from trainables.stages import Stage


class Schedule(NamedTuple):
    """One warm-up and decay, over the stages that share it; a function of the full budget.

    Attributes:
        begin, end: in epochs done.
        warmup: epochs of linear warm-up.
        peak: factor of the learning rates at the end of the warm-up.
    """

    begin: int
    end: int
    warmup: float
    peak: float

    @classmethod
    def at_epoch(cls, stages: Sequence[Stage], epoch: int, warmup: float) -> Schedule:
        """Make the schedule that an epoch (from 0) belongs to."""
        begin, end = 0, stages[-1].end
        for before, stage in itertools.pairwise(stages):
            if stage.restarts_schedule and before.end <= epoch:
                begin = before.end
            elif stage.restarts_schedule:
                end = min(end, before.end)
        first = next(stage for stage in stages if stage.end > begin)
        rise = min(warmup, (end - begin) / 2) if first.warmup is None else first.warmup
        return cls(begin, end, rise, first.lr_factor)

    def factor(self, epochs: float) -> float:
        """Return the factor of the peak learning rates after so many epochs."""
        done, left = epochs - self.begin, self.end - self.begin - self.warmup
        if done < self.warmup:
            return self.peak * done / self.warmup
        return self.peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - self.warmup) / left)))
