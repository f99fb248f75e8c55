"""Settings of the curves: where the optimum is known, and the ways in which a trial can go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainables.base_config import DataConfig, TrainingConfig
from trainables.settings import setting


@dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The value after epoch e is 1 − (x − 0.3)² − (y − 0.7)² / 4, less 1/(1 + e)."""

    x: float = setting(0.9, "best at 0.3", low=0.0, high=1.0)
    y: float = setting(0.1, "best at 0.7", low=0.0, high=1.0)
    kind: Literal["plain", "shifted"] = setting("plain", "shifted: 0.1 worse")
    shift: float = setting(0.0, "of kind shifted; lowers the value", low=0.0, high=1.0)
    noise: float = setting(0.0, "standard deviation of what the seed adds to the value", low=0.0)
    epoch_s: float = setting(0.0, "seconds that an epoch takes", low=0.0)
    goes_wrong: Literal["never", "raises", "nan", "hangs", "memory"] = setting("never", "what happens at wrong_epoch")
    wrong_epoch: int = setting(2, "the epoch at which it goes wrong", low=1)


@dataclass(frozen=True, kw_only=True)
class Data(DataConfig):
    """There are no data."""
