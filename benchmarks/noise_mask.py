"""Does the policy matter? Noise masks of a policy against random ones and none, at equal epochs.

    python -m benchmarks.noise_mask
    python -m benchmarks.noise_mask data.source=folder data.root=FOLDER data.train_per_class=30 arms=none,random

Trains the same classifier in several ways over several seeds, heat and fine-tuning together as long as the training
without masks, and judges the last epoch on the test split, without masks. Synthetic images have a bright corner that
tells the class in training and lies in test: a policy that hides it does better than chance would.
A ridge classifier of the pixels stands for what is easy.
Prints balanced accuracies with 95 % intervals (Student), and paired differences to random masks and to no mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.seeds import gains, interval, over_seeds
from trainables import registry
from trainables.commands import parse_parts, run_command
from trainables.contract import Split
from trainables.export.recipe import Recipe
from trainables.noise_mask.baselines import RIDGE, score_ridge
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.data import load_split
from trainables.objective import Goal, Objective
from trainables.settings import Settings, UsageError, setting
from trainables.training.loop import Loop

METRIC = "accuracy_balanced_maskfree"
SMALL: Mapping[str, Any] = {
    "image_size": 64,
    "batch_size": 32,
    "augment": "none",
    "backbone": "test_resnet",
    "policy_backbone": "test_resnet",
    "policy_width": 64,
    "grid": 4,
    "sigma": 1.0,
    "lr": 3e-3,
    "ft_lr": 1e-3,
    "policy_lr_ratio": 1.0,
    "mix": 0.5,
    "heat_share": 0.7,
    "probe_steps": 0,
}
"""Settings for two CPU cores; `fixed.…` changes them. The same in all arms; grid and sigma suit a policy."""

ARMS: Mapping[str, Mapping[str, Any]] = {
    "none": {"objective": "none"},
    "none-erase": {"objective": "none", "erase": 0.5},  # rectangles in half of the images
    "half-contrast": {"objective": "random", "random_beta": 1000.0},
    "random": {"objective": "random"},
    "random-4": {"objective": "random", "samples": 4},
    "literal": {"objective": "literal"},
    "reinforce": {"objective": "reinforce"},
    "reinforce-adversarial": {"objective": "reinforce", "sign": "adversarial"},
    "reinforce-4": {"objective": "reinforce", "samples": 4},
    "reinforce-4-adversarial": {"objective": "reinforce", "samples": 4, "sign": "adversarial"},
    "rsample": {"objective": "rsample"},
    "rsample-adversarial": {"objective": "rsample", "sign": "adversarial"},
}


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line, with `data.…` and `fixed.…` beside them."""

    arms: str = setting("all", "rows, with commas; all: every one")
    epochs: int = setting(20, "epochs of a training, heat and fine-tuning", low=2)
    seeds: int = setting(5, "trainings of each row", low=2)
    first_seed: int = setting(100, "their seeds count from here; settings were chosen on 1, 2 and 3", low=0)
    workers: int = setting(2, "trainings at a time, one thread each", low=1)


def main(arguments: list[str]) -> int:
    """Measure and print a table; returns the exit code."""
    measurement, parts = parse_parts(arguments, Measurement, ("data", "fixed"))
    config = Config.from_dict({**SMALL, **parts["fixed"], "epochs": measurement.epochs}, prefix="fixed.")
    data = Data.from_dict(parts["data"], prefix="data.")
    variant = registry.load("noise_mask")
    goal = Objective((Goal(f"val/{METRIC}"),))
    rows = {
        name: Recipe(variant, replace(config, **settings), data, goal, measurement.first_seed)
        for name, settings in _arms(measurement)
    }
    variant.prepare(config, data, ("train", "val", "test"))
    accuracies: dict[str, list[float]] = {}
    print(
        f"balanced accuracy without masks on test, {measurement.epochs} epochs, {measurement.seeds} seeds", flush=True
    )
    print(f"{RIDGE:<34}{ridge_accuracy(config, data):.4f}", flush=True)
    for name, results in over_seeds(rows, train, measurement.seeds, measurement.workers):
        accuracies[name] = [metrics[METRIC] for metrics in results]
        print(f"{name:<34}{interval(accuracies[name])}", flush=True)
        for control in ("random", "random-4", "none"):
            if control in accuracies and control != name:
                print(f"{'':<6}{'against ' + control:<28}{gains(accuracies[name], accuracies[control])}", flush=True)
        _print_policy(results)
    return 0


def train(recipe: Recipe, seed: int) -> dict[str, float]:
    """Train; return metrics of the test split after the last epoch, and of the masks in the last epoch under them."""
    torch.set_num_threads(1)
    splits: tuple[Split, ...] = ("train", "val", "test")
    loop = Loop(
        recipe.entry.build(recipe.config, recipe.data, seed=recipe.seed + seed, splits=splits), recipe.objective
    )
    masks: dict[str, float] = {}
    while not loop.finished:
        report = loop.run_epoch()
        if report["train/masked"]:
            masks = {key: value for key, value in report.items() if key.startswith("health/")}
    return {**loop.variant.evaluate("test"), **masks}


def ridge_accuracy(config: Config, data: Data) -> float:
    """Fit a ridge classifier to pixels, its penalty by leaving one out; return its balanced accuracy on test."""
    train, test = load_split(config, data, "train"), load_split(config, data, "test")
    return score_ridge(train, test)["accuracy_balanced_maskfree"]


def _arms(measurement: Measurement) -> list[tuple[str, Mapping[str, Any]]]:
    names = list(ARMS) if measurement.arms == "all" else [name.strip() for name in measurement.arms.split(",")]
    for name in names:
        if name not in ARMS:
            raise UsageError(f"arms={name} is no row: take some of {', '.join(ARMS)}.")
    return [(name, ARMS[name]) for name in names]


def _print_policy(results: list[dict[str, float]]) -> None:
    if "health/policy_entropy" not in results[0]:
        return
    keys = ("policy_entropy", "policy_shift", "mask_mean", "mask_std", "gradient_ratio_policy")
    means = {key: sum(metrics.get(f"health/{key}", 0.0) for metrics in results) / len(results) for key in keys}
    print(f"{'':<6}" + "   ".join(f"{key} {value:.3f}" for key, value in means.items()), flush=True)


if __name__ == "__main__":
    run_command(main)
