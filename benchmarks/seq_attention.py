"""Is a searched seq_attention better than its default settings, and than baselines that train no network?

    python -m benchmarks.seq_attention
    python -m benchmarks.seq_attention data.source=coco data.root=FOLDER data.hit_radius=20 fixed.augment=light

Searches the space seq_attention, then trains the best settings and the default ones with fresh seeds, and judges all
on the test split, with thresholds from validation's calibration images:

  * the mean over the seeds of either, with a 95 % interval (Student) of the objective and of the paired difference;
    every training counts with its best epoch by the objective on validation, as a search counts it;
  * always the mean position of the next object, and the share of training images with no more than k objects as done;
  * blobs (Laplacian of Gaussian, tuned on the training images) in nearest-neighbour order, done when none is left.

Objects are marked in the order of the row's own settings, `nearest` for blobs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from benchmarks.searching import first_and_best, search
from benchmarks.seeds import gains, interval, over_seeds
from trainables.commands import parse_parts, run_command
from trainables.export.recipe import Recipe
from trainables.images.split import calibration_part
from trainables.seq_attention.baselines import MeanPosition, score_locator
from trainables.seq_attention.blobs import Blobs
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import count_objects, load_split
from trainables.seq_attention.judging import Judge, rollout_limit
from trainables.seq_attention.pairs import enumerate_pairs
from trainables.settings import Settings, setting
from trainables.training.loop import Loop

METRICS = (
    "hit",
    "hit_any",
    "pixel_error_median_px",
    "done_ap",
    "done_ap_border",
    "count_error",
    "rollout_f1",
)
HEADS = ("hit", "hit any", "error, px", "done AP", "at border", "count err", "roll-out F1")


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line, with `data.…` and `fixed.…` beside them."""

    trials: int = setting(24, "trials of the search", low=1)
    epochs: int = setting(12, "epochs of a trial, and of every training", low=1)
    grace: int = setting(4, "epochs before a trial may be stopped", low=1)
    seed: int = setting(0, "seed of the search", low=0)
    seeds: int = setting(3, "fresh seeds of the best and of the default settings", low=2)
    workers: int = setting(2, "trainings at a time, one thread each", low=1)
    storage: str = setting("runs", "folder of the search's run")


def main(arguments: list[str]) -> int:
    """Measure and print a table; returns the exit code."""
    measurement, parts = parse_parts(arguments, Measurement, ("data", "fixed"))
    overrides = [f"{name}.{key}={value}" for name, part in parts.items() for key, value in part.items()]
    overrides += [f"budget.trials={measurement.trials}", f"budget.max_epochs={measurement.epochs}"]
    overrides += [f"budget.grace_epochs={measurement.grace}", f"seed={measurement.seed}"]
    folder = search("seq_attention", overrides, measurement.storage)
    first, best, recipe = first_and_best(folder)
    default = replace(recipe, config=folder.space().config({}))
    print(f"validation: best trial {_objective(best)}, default trial {_objective(first)}", flush=True)
    _print_head(recipe)
    _print_arms({"best settings": recipe, "default settings": default}, measurement)
    _print_baselines(default)
    return 0


def train(recipe: Recipe, seed: int) -> dict[str, float]:
    """Train, and return the metrics on the test split with the weights of the best epoch."""
    torch.set_num_threads(1)
    seed += recipe.seed + 1  # not the search's own
    variant = recipe.entry.build(recipe.config, recipe.data, seed=seed, splits=("train", "val", "test"))
    loop = Loop(variant, recipe.objective)
    best: dict[str, Any] = {}
    while not loop.finished:
        loop.run_epoch()
        if loop.monitor.stands:
            best = {name: {key: value.clone() for key, value in module.state_dict().items()}
                    for name, module in variant.modules().items()}  # fmt: skip
    for name, module in variant.modules().items():
        module.load_state_dict(best[name])
    return variant.evaluate("test")


def _objective(report: Mapping[str, Any]) -> str:
    return f"{report['objective/value']:.4f} (count error {report['val/count_error']:.2f}, hit {report['val/hit']:.3f})"


def _print_head(recipe: Recipe) -> None:
    data = recipe.data
    assert isinstance(data, Data)  # for the type checker
    recipe.entry.prepare(recipe.config, data, ("train", "val", "test"))
    counts = count_objects(data, "test")
    print(f"test split: {len(counts)} images, {counts.sum()} objects; a hit is within {data.radius:g} px")
    print(f"{'':<36}" + "".join(f"{head:>12}" for head in HEADS), flush=True)


def _print_arms(arms: Mapping[str, Recipe], measurement: Measurement) -> None:
    objectives = {}
    for name, results in dict(over_seeds(arms, train, measurement.seeds, measurement.workers)).items():
        _print_row(name, results)
        objectives[name] = [metrics["rollout_f1"] for metrics in results]
        print(f"{'':<36}objective {interval(objectives[name])}")
    print(f"{'':<36}best against default {gains(*objectives.values())}", flush=True)


def _print_baselines(recipe: Recipe) -> None:
    config, data = recipe.config, recipe.data
    assert isinstance(config, Config)  # for the type checker
    assert isinstance(data, Data)
    train_split, val, test = (load_split(config, data, split) for split in ("train", "val", "test"))
    mean = MeanPosition(train_split, enumerate_pairs(train_split, config.order, data.row_height))
    blobs = Blobs.tune(train_split)
    print(f"blobs: {', '.join(f'{key} {value}' for key, value in blobs.numbers._asdict().items())}")
    for name, locators, order in (("mean position", mean, config.order), ("blobs, nearest first", blobs, "nearest")):
        judge = Judge(data, order, rollout_limit(count_objects(data, "train")))
        _print_row(name, [score_locator(judge, locators, calibration_part(val), test)])


def _print_row(name: str, results: Sequence[Mapping[str, float]]) -> None:
    means = (np.mean([metrics[key] for metrics in results]) for key in METRICS)
    print(f"{name:<36}" + "".join(f"{mean:>12.4f}" for mean in means), flush=True)


if __name__ == "__main__":
    run_command(main)
