"""The variant seq_attention: data, network and losses put together behind the contract that the loop knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from trainables.contract import Context, Finding, Split, Step, Variant
from trainables.images.split import calibration_part, scored_part
from trainables.processes import Processes
from trainables.seq_attention import health, panels
from trainables.seq_attention.batches import Batch, Batches
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import count_objects, load_split
from trainables.seq_attention.judging import Judge, rollout_limit
from trainables.seq_attention.locator import NetworkLocator
from trainables.seq_attention.model import Network
from trainables.seq_attention.scoring import Scale, choose_thresholds, score
from trainables.seq_attention.split import Scenes, select_evenly
from trainables.seq_attention.step import TrainingStep
from trainables.seq_attention.thresholds import Thresholds
from trainables.training.weights import parameter_groups


class SeqAttention(Variant):
    """A network that gets an image with marked objects and predicts the next one, and whether there is one."""

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config: Config = config
        self.data = data
        self.device, self.processes = context.device, context.processes
        self.splits: dict[Split, Scenes] = {split: load_split(config, data, split) for split in context.splits}
        self.net = Network(config).to(self.device)
        self.judge = Judge(data, config.order, rollout_limit(count_objects(data, "train")), self.processes)
        self._step = TrainingStep(self.net, config)
        self._thresholds: Thresholds | None = None  # of the current weights, once they are chosen
        if "train" in self.splits:
            self._batches = Batches(
                config, self.splits["train"], data.row_height, self.device, context.seed, self.processes
            )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of one epoch."""
        return self._batches.steps

    def modules(self) -> Mapping[str, nn.Module]:
        """Return the parts of the network."""
        return self.net.parts()

    def gradient_parts(self) -> Mapping[str, nn.Module]:
        """Return all parts: the published network's memory and glimpses were parts without gradient."""
        return self.net.parts()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the weights and, without decay, biases and norms."""
        return parameter_groups({"network": self.net}, self.config)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Return the epoch's batches."""
        return self._batches.of_epoch(epoch)

    def begin_epoch(self, epoch: int) -> None:
        """Put the network in training mode; nothing follows a schedule but the learning rate."""
        self._thresholds = None
        self.net.train()

    def step(self, batch: Batch, update: int) -> Step:
        """Compute the losses of location and done."""
        return self._step(batch, update)

    def evaluate(self, split: Split) -> dict[str, float]:
        """Score a split; of validation, only images that choose no threshold."""
        self.require_splits(split, "val")
        self.processes.average_buffers([self.net])
        self._thresholds = self._choose_thresholds(self.judge)
        scenes = scored_part(self.splits[split])
        predictions = self.judge.predict(self._locator, scenes, self._thresholds.rollout)
        metrics = score(predictions, Scale(self.data.radius, scenes.spacing(), self._thresholds, self.judge.limit))
        return {**metrics, "health/done_missed": 1 - metrics["done_stops"]}

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """Return the findings of `health.findings`."""
        return health.findings(report, self.config)

    def panels(self) -> dict[str, np.ndarray]:
        """Draw a few scored validation images: half of the objects marked, all of them marked, and a roll-out."""
        if "val" not in self.splits:
            return {}
        judge = replace(self.judge, processes=Processes())  # panels are drawn by one process
        thresholds = self._thresholds or self._choose_thresholds(judge)
        scenes = select_evenly(scored_part(self.splits["val"]), panels.COUNT)
        rollouts = judge.roll_out(self._locator, scenes, thresholds.rollout)
        return panels.draw_panels(scenes, rollouts, self._locator(scenes), thresholds, self.config, self.data)

    def describe(self) -> dict[str, Any]:
        """Describe splits, the radius of a hit, the limit of a roll-out, and the network's parameters."""
        return {"hit_radius_px": self.data.radius, "rollout_limit": self.judge.limit, **super().describe()}

    def _locator(self, scenes: Scenes) -> NetworkLocator:
        return NetworkLocator(self.net, self.config, scenes.batch, scenes.sizes, self.device)

    def _choose_thresholds(self, judge: Judge) -> Thresholds:
        return choose_thresholds(judge.predict(self._locator, calibration_part(self.splits["val"])), self.data.radius)


build = SeqAttention
