"""What are kept features worth: an epoch on the features of the frozen backbone against one with the backbone in it.

    python -m benchmarks.entropy_features
    python -m benchmarks.entropy_features data.source=fixations data.root=FOLDER epochs=1

Trains the same model twice side by side, epoch by epoch in turn, on one thread: with `data.features=cached` and `live`.
Prints the seconds of training (validation is not in them), what it took to compute the features once, and whether the
weights are the same, bit for bit.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from typing import Any

import torch

from trainables import registry
from trainables.commands import parse_parts, run_command
from trainables.entropy_reg.config import Config, Data
from trainables.objective import Goal, Objective
from trainables.settings import Settings, setting
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/information_gain_bits"),))
USUAL: dict[str, Any] = {"image_size": 400, "backbone": "densenet201"}


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line, with `data.…` and `fixed.…` beside them."""

    epochs: int = setting(2, "epochs of either training", low=1)


def main(arguments: list[str]) -> int:
    """Measure and print a table; returns the exit code."""
    measurement, parts = parse_parts(arguments, Measurement, ("data", "fixed"))
    config = Config.from_dict({**USUAL, **parts["fixed"], "epochs": measurement.epochs}, prefix="fixed.")
    settings = {"train_size": 96, "val_size": 16, **parts["data"]}
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        data = Data.from_dict({**settings, "cache": cache}, prefix="data.")
        start = time.perf_counter()
        registry.load("entropy_reg").prepare(config, data)
        print(
            f"{config.backbone}: features computed once in {time.perf_counter() - start:.1f} s (all cores)", flush=True
        )
        _compare(config, data)
    return 0


def _compare(config: Config, data: Data) -> None:
    variant = registry.load("entropy_reg")
    loops = {name: Loop(variant.build(config, replace(data, features=name)), OBJECTIVE) for name in ("cached", "live")}
    print(f"{len(loops['cached'].variant.splits['train'])} training images")
    for epoch in range(1, config.epochs + 1):
        seconds = {name: loop.run_epoch()["time/train_s"] for name, loop in loops.items()}
        weights = [loop.weights() for loop in loops.values()]
        is_same = all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
        print(
            f"epoch {epoch}: cached {seconds['cached']:.2f} s, live {seconds['live']:.2f} s, ratio "
            f"{seconds['live'] / seconds['cached']:.1f}, weights {'the same' if is_same else 'DIFFERENT'}",
            flush=True,
        )


if __name__ == "__main__":
    run_command(main)
