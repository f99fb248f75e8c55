"""A unet_selftrain that trains an epoch in a fraction of a second."""

from __future__ import annotations

from trainables.processes import Processes
from trainables.registry import load
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.variant import UNetSelfTrain

SETTINGS = {
    "epochs": 6,
    "batch_size": 4,
    "lr": 3e-3,
    "warmup_epochs": 0.5,
    "base_features": 4,
    "levels": 2,
    "tile": 32,
    "iterations": 2,
    "supervised_share": 0.34,
    "base_pos": 0.5,
    "base_neg": 0.2,
    "pos_floor": 0.5,
}
DATA = {"train_size": 4, "val_size": 4, "size": 64, "radius": 6, "label_share": 0.5}


def config(**values) -> Config:
    return Config(**{**SETTINGS, **values})


def build(
    seed: int = 0, processes: Processes | None = None, splits=("train", "val"), data: dict | None = None, **values
) -> UNetSelfTrain:
    data_config = Data(**{**DATA, **(data or {})})
    return load("unet_selftrain").build(config(**values), data_config, seed=seed, splits=splits, processes=processes)
