"""A noise_mask that trains an epoch in a fraction of a second."""

from __future__ import annotations

from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.variant import NoiseMask
from trainables.objective import Goal, Objective
from trainables.processes import Processes
from trainables.registry import load
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/accuracy_balanced_maskfree"),))

SETTINGS = {
    "epochs": 4,
    "batch_size": 6,
    "lr": 3e-3,
    "ft_lr": 1e-3,
    "heat_share": 0.5,
    "warmup_epochs": 0.5,
    "image_size": 32,
    "augment": "crop_flip",
    "backbone": "test_resnet",
    "policy_backbone": "test_resnet",
    "policy_width": 8,
    "policy_lr_ratio": 1.0,
    "mix": 0.5,
    "grid": 4,
    "sigma": 1.0,
    "probe_steps": 2,
}

FORMS = {
    "reinforce": {"objective": "reinforce"},
    "samples": {"objective": "reinforce", "sign": "adversarial", "samples": 3},
    "batch": {"objective": "reinforce", "baseline": "batch", "mean_preserving": True},
    "literal": {"objective": "literal"},
    "rsample": {"objective": "rsample", "amplitude": 0.5},
    "random": {"objective": "random"},
    "random-2": {"objective": "random", "samples": 2, "erase": 0.5},
    "none": {"objective": "none"},
}
"""All that a training may be, by a short name."""


def config(**values) -> Config:
    return Config(**{**SETTINGS, **values})


def build(seed: int = 0, processes: Processes | None = None, splits=("train", "val"), **values) -> NoiseMask:
    """Build it on 24 synthetic training images and 12 validation ones."""
    data = Data(train_size=24, val_size=12)
    return load("noise_mask").build(config(**values), data, seed=seed, splits=splits, processes=processes)


def build_loop(**values) -> Loop:
    return Loop(build(**values), OBJECTIVE)
