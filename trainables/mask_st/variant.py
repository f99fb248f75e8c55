"""The variant mask_st: connects data, networks and training step to the contract that the loop knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from trainables.contract import Context, Finding, Split, Step, Variant
from trainables.images.split import calibration_part
from trainables.mask_st import health, losses, panels, sampling, scoring
from trainables.mask_st.batches import Batch, Batches
from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import load_split
from trainables.mask_st.judging import Judge
from trainables.mask_st.masks import MaskSource
from trainables.mask_st.model import build_networks, name_networks
from trainables.mask_st.split import Examples
from trainables.mask_st.step import TrainingStep
from trainables.processes import Processes
from trainables.stages import Stage
from trainables.training.weights import parameter_groups


class MaskST(Variant):
    """Straight-through stochastic masks, and the kinds of mask that they are compared with."""

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config: Config = config
        self.device, self.processes = context.device, context.processes
        self.splits: dict[Split, Examples] = {split: load_split(config, data, split) for split in context.splits}
        examples = next(iter(self.splits.values()))
        channels, self.classes = examples.images.shape[-1], examples.classes
        self.classifier, self.generator = build_networks(config, channels, len(self.classes), self.device)
        self.source = MaskSource(config, self.generator)
        self.judge = Judge(config, self.classifier, self.source, self.device, self.processes)
        if "train" in self.splits:
            train, rates = self.splits["train"], self.classifier.drop_rates
            pos_weight = losses.positive_weights(train.labels, config.pos_weight_cap, self.device)
            self._step = TrainingStep(config, self.classifier, self.source, pos_weight, self.device, self.processes)
            self._batches = Batches(config, train, self.source.side, rates, self.device, context.seed, self.processes)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages: classification alone, and then with the mask losses.

        The plain baseline has the same border; otherwise it would never be compared with the kinds that have one.
        """
        border, epochs = health.plain_epochs(self.config), self.config.epochs
        masks = Stage("masks", epochs)
        return (Stage("classification", border), masks) if 0 < border < epochs else (masks,)

    @property
    def updates_per_batch(self) -> int:
        """Updates on each batch: PPO re-uses its actions; nothing else re-uses a batch."""
        return self.config.ppo_updates if self.config.mask_kind == "ppo" else 1

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of one epoch."""
        return self._batches.steps

    def modules(self) -> Mapping[str, nn.Module]:
        """Return the classifier and, where masks are learnt, the generator."""
        return name_networks(self.classifier, self.generator)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters of each network, biases and norms without decay; the generator at its own rate."""
        networks, rate = self.modules(), self.config.mask_lr_mult
        return parameter_groups(networks, self.config, {"generator": rate} if "generator" in networks else {})

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield this process's share of an epoch's batches."""
        return self._batches.of_epoch(epoch)

    def begin_epoch(self, epoch: int) -> None:
        """Set the epoch's temperature, a function of the epoch alone, so that no interruption can restart it."""
        self._step.temperature = sampling.temperature(self.config, epoch)
        for module in self.modules().values():
            module.train()

    def step(self, batch: Batch, update: int) -> Step:
        """Compute the losses of one batch at this epoch's temperature."""
        return self._step(batch, update)

    def state(self) -> dict[str, Any]:
        """Return what the training step carries from batch to batch."""
        return self._step.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._step.load_state(state)

    def evaluate(self, split: Split) -> dict[str, float]:
        """Score a split without training noise; mask_kind=random draws from a generator of its own.

        The thresholds of F1 are those that the calibration part of validation chooses, whatever the split.
        """
        self.require_splits(split, "val")
        examples, val = self.splits[split], self.splits["val"]
        predictions = self.judge.predict(examples)
        part = calibration_part(val)
        calibration = predictions.select(val.calibration) if split == "val" else self.judge.predict(part)
        thresholds = scoring.choose_thresholds(calibration, part.labels)
        return scoring.score(predictions, examples, thresholds, self.config)

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """Return the health findings of one epoch's report."""
        return health.findings(report, self.config)

    def panels(self) -> dict[str, np.ndarray]:
        """Draw a panel for each of a few validation examples; none without masks."""
        if "val" not in self.splits or self.config.mask_kind == "none":
            return {}
        examples = self.splits["val"]
        indices = panels.choose_examples(examples)
        judge = replace(self.judge, processes=Processes())  # the first process alone draws panels
        return panels.draw_panels(examples, indices, judge.predict(examples, indices), self.config.reference)

    def describe(self) -> dict[str, Any]:
        """Describe the classes, the normalisation of pixels, the splits and the networks."""
        examples = next(iter(self.splits.values()))
        return {
            "classes": list(self.classes),
            "pixels": {"channels": examples.images.shape[-1], "mean": examples.mean, "std": examples.std},
            **super().describe(),
        }


build = MaskST
