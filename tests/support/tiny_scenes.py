"""A seq_attention that trains an epoch in a fraction of a second."""

from __future__ import annotations

from trainables.processes import Processes
from trainables.registry import load
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.variant import SeqAttention

SETTINGS = {
    "epochs": 4,
    "batch_size": 8,
    "lr": 3e-3,
    "warmup_epochs": 0.5,
    "image_size": 64,
    "width": 8,
    "patience": 0,
}
DATA = {"train_size": 24, "val_size": 8, "size": 64, "max_objects": 6, "row_height": 24}


def config(**values) -> Config:
    return Config(**{**SETTINGS, **values})


def build(
    seed: int = 0, processes: Processes | None = None, splits=("train", "val"), data: dict | None = None, **values
) -> SeqAttention:
    where = Data(**{**DATA, **(data or {})})
    return load("seq_attention").build(config(**values), where, seed=seed, splits=splits, processes=processes)
