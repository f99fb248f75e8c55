"""The seven hyperparameters of LCBench (Zimmer et al. 2021, table 2), in the surrogate's order."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.base_config import DataConfig, TrainingConfig
from trainables.settings import setting


@dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """One training of a funnel-shaped network; the default is the middle of each range."""

    batch_size: int = setting(128, "images per step", low=16, high=512)
    learning_rate: float = setting(1e-2, "of SGD", low=1e-4, high=1e-1)
    momentum: float = setting(0.9, "of SGD", low=0.1, high=0.99)
    weight_decay: float = setting(1e-2, "of SGD", low=1e-5, high=1e-1)
    num_layers: int = setting(3, "hidden layers", low=1, high=5)
    max_units: int = setting(256, "units of the widest layer", low=64, high=1024)
    max_dropout: float = setting(0.5, "of the widest layer", low=0.0, high=1.0)


@dataclass(frozen=True, kw_only=True)
class Data(DataConfig):
    """The surrogate is asked by the benchmark itself."""
