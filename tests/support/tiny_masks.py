"""A mask_st that trains an epoch in a fraction of a second."""

from __future__ import annotations

from trainables.mask_st.variant import MaskST
from trainables.processes import Processes
from trainables.registry import load


def build(seed: int = 0, processes: Processes | None = None, splits=("train", "val"), **values) -> MaskST:
    entry = load("mask_st")
    settings = {"image_size": 32, "backbone": "micro", "batch_size": 8, "epochs": 3, "lr": 3e-3, "ppo_grid": 4}
    config = entry.Config(**{**settings, **values})
    data = entry.Data(train_size=24, val_size=16)
    return entry.build(config, data, seed=seed, splits=splits, processes=processes)
