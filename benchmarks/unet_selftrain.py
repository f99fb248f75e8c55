"""Measure on test micrographs whether self-training helps, and whether the network beats pickers that learn nothing.

    python -m benchmarks.unet_selftrain
    python -m benchmarks.unet_selftrain data.source=micrographs data.root=FOLDER data.radius=13.5 \\
        data.label_share=0.1 fixed.downsample=2 epochs=24

All trainings have the same number of epochs, so that `iterations=0` is the control: it spends on known labels what the
others spend on pseudo-labels. The arms are the control; the control with the restart of an iteration but no
pseudo-labels; and one to three iterations with

  * the published thresholds: 0.95 and 0.05, relaxed by 0.02; no negatives trusted;
  * thresholds of a search on synthetic micrographs, which also gave the settings of all arms;
  * calibrated thresholds, chosen by hand. Calibration sees all labels of validation's calibration micrographs, of
    which it keeps two numbers; the control sees none of them.

Every training counts with its last epoch, so nothing is chosen by the reported metrics. These are of the test split,
with a threshold from the calibration micrographs; the pickers of `benchmarks.pickers` are scored likewise.

A row is the mean over the seeds with a 95 % interval (Student), and the mean of the paired differences to the control.
Seeds are of the training; all share one split and one draw of hidden labels (`data.split_seed`), so the interval is not
one over micrographs. `fixed.FIELD=…` changes a setting of all arms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks import pickers
from benchmarks.seeds import gains, interval, over_seeds
from trainables.commands import parse_parts, run_command
from trainables.images.split import calibration_part
from trainables.objective import Goal, Objective
from trainables.registry import load
from trainables.settings import Settings, UsageError, describe_unknown, setting
from trainables.training.loop import Loop
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.data import load_split, prepare

OBJECTIVE = Objective((Goal("val/particle_ap"),))
METRICS = ("particle_ap", "particle_f1", "particle_precision", "particle_recall", "localisation_error_px")
HEADS = ("AP", "F1", "precision", "recall", "error, px")
SMALL = {"base_features": 8, "levels": 3, "batch_size": 8}
COMMON = {  # of all arms, rounded from the best trials of a search of the space unet_selftrain
    "lr": 2e-3,
    "prior": 0.05,  # with 0.5, one seed in five learns to call everything background
    "rotation": 180.0,
    "target": "gaussian",
    "target_scale": 0.45,
    "focal_weight": 0.4,
    "alpha": 0.5,
    "supervised_share": 0.5,
    "retrain_lr": 0.3,
}
PUBLISHED_THRESHOLDS = {"base_pos": 0.95, "base_neg": 0.05, "threshold_decay": 0.02, "trust_negatives": "none"}
CALIBRATED_THRESHOLDS = {
    "threshold_scale": "calibrated",
    "base_pos": 0.55,
    "pos_floor": 0.5,
    "base_neg": 0.1,
    "threshold_decay": 0.02,
    "trust_negatives": "none",
    "min_component": 0.3,
}
RESTART = {"base_pos": 1.0, "pos_floor": 1.0, "trust_negatives": "all"}
SEARCH_THRESHOLDS = {
    "base_pos": 0.75,
    "base_neg": 0.03,
    "threshold_decay": 0.02,
    "trust_negatives": "all",
    "min_component": 0.3,
}
THRESHOLDS: Mapping[str, Mapping[str, Any]] = {
    "published": PUBLISHED_THRESHOLDS,
    "searched": SEARCH_THRESHOLDS,
    "calibrated": CALIBRATED_THRESHOLDS,
}


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line, with `data.…` and `fixed.…` beside them."""

    epochs: int = setting(24, "epochs of every training", low=4)
    seeds: int = setting(5, "trainings of each arm", low=2)
    iterations: int = setting(3, "arms have one to so many iterations", low=1, high=3)
    thresholds: str = setting("published,searched,calibrated", "which arms, beside the control")
    workers: int = setting(2, "trainings at a time, one thread each", low=1)


def main(arguments: list[str]) -> int:
    """Measure, print a table, and return the exit code."""
    measurement, parts = parse_parts(arguments, Measurement, ("data", "fixed"))
    data = Data.from_dict(parts["data"], prefix="data.")
    fixed = {**SMALL, **COMMON, **parts["fixed"], "epochs": measurement.epochs}
    control = Config.from_dict({**fixed, "iterations": 0}, prefix="fixed.")
    prepare(control, data, ("train", "val", "test"))
    test = load_split(control, data, "test")
    print(f"{len(test)} held-back micrographs, {sum(map(len, test.known_particles))} particles", flush=True)
    print(f"{'':<44}" + "".join(f"{head:>12}" for head in HEADS), flush=True)
    for name in pickers.PICKERS:
        _print_picker(name, control, data)
    _print_arms(dict(_arms(fixed, measurement)), data, measurement)
    return 0


def train(arm: tuple[Config, Data], seed: int) -> dict[str, Any]:
    """Train; return the metrics of the test split, and the facts of the last stage's targets, `train/…`."""
    torch.set_num_threads(1)
    config, data = arm
    loop = Loop(load("unet_selftrain").build(config, data, seed=seed, splits=("train", "val", "test")), OBJECTIVE)
    while not loop.finished:
        loop.run_epoch()
    facts = {key: value for key, value in (loop.report or {}).items() if key.startswith("train/")}
    return {**loop.variant.evaluate("test"), **facts}


def _arms(fixed: Mapping[str, Any], measurement: Measurement) -> Iterator[tuple[str, Config]]:
    yield "U-Net, supervised alone (control)", Config.from_dict({**fixed, "iterations": 0})
    yield "the same with one restart", Config.from_dict({**fixed, **RESTART, "iterations": 1})
    for words in measurement.thresholds.split(","):
        if words not in THRESHOLDS:
            raise UsageError(describe_unknown(words, THRESHOLDS, kind="thresholds"))
        for iterations in range(1, measurement.iterations + 1):
            config = Config.from_dict({**fixed, **THRESHOLDS[words], "iterations": iterations})
            yield f"{iterations} × self-training, {words} thresholds", config


def _print_picker(name: str, config: Config, data: Data) -> None:
    numbers = pickers.tune(name, load_split(config, data, "train"))
    calibration = calibration_part(load_split(config, data, "val"))
    metrics = pickers.score(name, numbers, calibration, load_split(config, data, "test"))
    words = " ".join(f"{key} {value:g}" for key, value in numbers.items())
    print(f"{name:<44}" + "".join(f"{metrics[key]:>12.4f}" for key in METRICS) + f"   ({words})", flush=True)


def _print_arms(arms: Mapping[str, Config], data: Data, measurement: Measurement) -> None:
    """Print a row for each arm as soon as its trainings are over."""
    control: list[float] | None = None
    trainings = {name: (config, data) for name, config in arms.items()}
    for name, results in over_seeds(trainings, train, measurement.seeds, measurement.workers):
        control = control or [result["particle_ap"] for result in results]
        _print_arm(name, results, control)


def _print_arm(name: str, results: Sequence[Mapping[str, Any]], control: Sequence[float]) -> None:
    means = "".join(f"{np.mean([result[key] for result in results]):>12.4f}" for key in METRICS)
    precisions = [result["particle_ap"] for result in results]
    print(f"{name:<44}{means}   AP {interval(precisions)}", flush=True)
    if results[0]["train/iteration"]:
        facts = {key: np.mean([result[f"train/{key}"] for result in results]) for key in _FACTS}
        words = ", ".join(f"{key.replace('_', ' ')} {value:.3g}" for key, value in facts.items())
        print(f"{'':<44}against the control {gains(precisions, control)}; its last targets: {words}", flush=True)


_FACTS = ("new_components", "new_precision", "hidden_found", "ignored_share")


if __name__ == "__main__":
    run_command(main)
