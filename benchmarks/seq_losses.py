"""Which loss of the location wins, at equal epochs and over several seeds?

    python -m benchmarks.seq_losses
    python -m benchmarks.seq_losses data.source=coco data.root=FOLDER data.hit_radius=20 fixed.image_size=192

Every arm differs from the others in `spatial_loss` and `head` alone, and ends with its last epoch, so that nothing is
chosen by what is reported: validation images that choose no threshold. A row is the mean over the seeds of the hits, of
the median error and of the count, then a 95 % interval (Student) of the hits, and of the paired difference to
`huber_axis` with the same head. `fixed.FIELD=…` changes a setting of all arms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.seeds import gains, interval, over_seeds
from trainables.commands import parse_parts, run_command
from trainables.objective import Goal, Objective
from trainables.registry import load
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import prepare
from trainables.settings import Settings, setting
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/rollout_f1"),))
COMMON: Mapping[str, Any] = {"image_size": 128, "lr": 3e-3, "patience": 0}
LOSSES = ("huber_axis", "literal", "huber_l1", "huber_l2", "l1", "mse", "heatmap_ce")  # the first is the control
METRICS = ("hit", "hit_any", "pixel_error_median_px", "count_error", "rollout_f1")
HEADS = ("hit", "hit any", "error, px", "count err", "roll-out F1")


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line, with `data.…` and `fixed.…` beside them."""

    epochs: int = setting(10, "epochs of every training", low=1)
    seeds: int = setting(5, "trainings of each arm", low=2)
    heads: str = setting("heatmap,regression", "with which heads")
    workers: int = setting(2, "trainings at a time, one thread each", low=1)


def main(arguments: list[str]) -> int:
    """Measure and print a table; returns the exit code."""
    measurement, parts = parse_parts(arguments, Measurement, ("data", "fixed"))
    data = Data.from_dict(parts["data"], prefix="data.")
    common = {**COMMON, **parts["fixed"], "epochs": measurement.epochs}
    arms = {
        f"{head}, {loss}": (Config.from_dict({**common, "head": head, "spatial_loss": loss}, prefix="fixed."), data)
        for head in measurement.heads.split(",")
        for loss in LOSSES
        if (head, loss) != ("regression", "heatmap_ce")
    }
    prepare(next(iter(arms.values()))[0], data, ("train", "val"))
    print(f"{'':<26}" + "".join(f"{head:>12}" for head in HEADS), flush=True)
    control: list[float] = []
    for name, results in over_seeds(arms, train, measurement.seeds, measurement.workers):
        hits = [metrics["hit"] for metrics in results]
        control = hits if name.endswith(LOSSES[0]) else control
        _print_row(name, results)
        print(f"{'':<26}hit {interval(hits)}; against {LOSSES[0]} {gains(hits, control)}", flush=True)
    return 0


def train(arm: tuple[Config, Data], seed: int) -> dict[str, float]:
    """Train, and return the last epoch's metrics on validation."""
    torch.set_num_threads(1)
    config, data = arm
    loop = Loop(load("seq_attention").build(config, data, seed=seed), OBJECTIVE)
    while not loop.finished:
        loop.run_epoch()
    return {key.removeprefix("val/"): value for key, value in (loop.report or {}).items() if key.startswith("val/")}


def _print_row(name: str, results: Sequence[Mapping[str, float]]) -> None:
    means = (np.mean([metrics[key] for metrics in results]) for key in METRICS)
    print(f"{name:<26}" + "".join(f"{mean:>12.4f}" for mean in means), flush=True)


if __name__ == "__main__":
    run_command(main)
