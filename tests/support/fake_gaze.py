"""A fake entropy_reg for go/no-go tests, and the command on a config of it: it learns nothing, in no time."""

import json
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from trainables import registry
from trainables.contract import Context, Step, Variant
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.go_no_go.__main__ import main
from trainables.export.recipe import Recipe
from trainables.objective import Goal, Objective
from trainables.processes import Processes

GAIN = Goal("val/information_gain_bits")
IMAGES, PROBES, EPOCHS = 20, 4, 3


class Bias(NamedTuple):
    bits: np.ndarray
    density: np.ndarray


class Fake(Variant):
    """A variant whose weight is the number of its epochs, and whose scores show with which arguments it was called."""

    gains = 0.05
    loss_offset = 0.0
    build_splits: tuple[tuple[str, ...], ...] = ()
    steps: tuple[str, ...] = ()

    def __init__(self, config, data, context):
        self.config, self.data, self.device = config, data, context.device
        self.processes, self.splits, self.seed = Processes(), context.splits, context.seed
        self.net = nn.Linear(1, 1, bias=False)
        self.prior = f"prior of {data.bias}"
        Fake.build_splits = (*Fake.build_splits, context.splits)

    @property
    def steps_per_epoch(self):
        return 2

    def parameter_groups(self):
        return [{"params": list(self.net.parameters())}]

    def batches(self, epoch):
        yield from (epoch, epoch)

    def begin_epoch(self, epoch):
        pass

    def step(self, batch, update):
        Fake.steps = (*Fake.steps, f"{self.config.regulariser}-{self.seed}-{batch}")
        weight = self.net.weight
        with torch.no_grad():
            weight.fill_(batch + 1.0)
        return Step((weight - weight.detach()).sum() + Fake.loss_offset, {})

    def evaluate(self, split):
        assert split in self.splits
        return {"information_gain_bits": -self.net.weight.item()}  # the first epoch is the best

    def modules(self):
        return {"net": self.net}

    def score_images(self, split, given):
        assert split == "test"
        assert split in self.splits
        gain = Fake.gains * (self.config.regulariser != "none") * (self.data.bias == "none")
        offset = {None: 0.0, "prior of centre": 10.0, "prior of none": 20.0, "prior of corner": 30.0}[given]
        bits = self.net.weight.item() + gain + offset + np.linspace(0, 1, IMAGES)
        return {"log_likelihood_bits": bits, "information_gain_bits": bits + 100}

    def measure_bias(self):
        bits = np.full(PROBES, 0.5 if self.config.regulariser == "none" else 0.1)
        density = np.arange(1, 13, dtype=float).reshape(3, 4)
        return {kind: Bias(bits, density / density.sum()) for kind in ("uniform", "scrambled")}

    def finaliser_values(self):
        return {"sigma": 0.03, "centre_bias_weight": 0.9}

    def describe(self):
        return {"splits": {split: {"images": IMAGES} for split in self.splits}}


def build(entry, config, data, *, device, seed, splits=("train", "val"), processes=None):
    """Build the fake variant, in place of `Entry.build`."""
    return Fake(config, data, Context(torch.device(device), seed, splits, Processes()))


def write_config(path, **values):
    """Write a `config.yaml` of entropy_reg."""
    settings = {"backbone": "tiny", "epochs": EPOCHS, "lr": 0.0, "regulariser": "entropy", **values}
    Recipe(registry.load("entropy_reg"), Config(**settings), Data(), Objective((GAIN,)), seed=5).write(path)


def run(config, *more):
    """Run the command on a config; return its exit code."""
    return main([f"config={config}", "device=cpu", *more])


def record(config, folder=None):
    """Read the record that the command has written."""
    return json.loads(((folder or config.parent / "go_no_go") / "go_no_go.json").read_text())
