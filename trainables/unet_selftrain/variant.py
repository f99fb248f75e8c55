"""The variant unet_selftrain: data, network and stages behind the contract of the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from trainables.contract import Context, Finding, Split, Step, Variant
from trainables.images.split import calibration_part, scored_part
from trainables.measuring.calibration import Platt, fit_platt
from trainables.processes import Processes
from trainables.stages import Stage
from trainables.training.weights import parameter_groups
from trainables.unet_selftrain import health, panels, scoring, stages
from trainables.unet_selftrain.batches import Batch, Batches
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.data import load_split
from trainables.unet_selftrain.judging import Judge
from trainables.unet_selftrain.model import build_network
from trainables.unet_selftrain.split import Micrographs
from trainables.unet_selftrain.step import TrainingStep
from trainables.unet_selftrain.teacher import Lesson, Teacher, supervised_lesson


class UNetSelfTrain(Variant):
    """A U-Net that learns from known particles, and then from its own sure predictions."""

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config: Config = config
        self.device, self.processes, self._seed = context.device, context.processes, context.seed
        self.splits: dict[Split, Micrographs] = {split: load_split(config, data, split) for split in context.splits}
        self.net = build_network(config, self.device)
        self.judge = Judge(self.net, config, self.device, self.processes)
        self.teacher: Teacher | None = None
        if "train" in self.splits:
            self._begin_lesson(supervised_lesson(self.splits["train"], config))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The supervised stage, and one per iteration; the first iteration comes first where the share is 0."""
        return stages.list_stages(self.config)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of one epoch."""
        return self._batches.steps

    def modules(self) -> Mapping[str, nn.Module]:
        """Return the network."""
        return {"unet": self.net}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the weights and, without decay, biases and norms."""
        return parameter_groups({"unet": self.net}, self.config)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the epoch's batches, with the targets of its stage."""
        return self._batches.of_epoch(epoch)

    def begin_epoch(self, epoch: int) -> None:
        """Put the network in training mode; before an iteration, make it the teacher as it is now."""
        iteration = stages.iteration(self.config, epoch)
        if iteration and (self.teacher is None or self.teacher.iteration < iteration):
            self._learn_from(self._new_teacher(iteration))
        self.net.train()

    def step(self, batch: Batch, update: int) -> Step:
        """Compute the loss on the batch; report its two terms and facts of the stage's targets."""
        return self._step(batch, update)

    def state(self) -> dict[str, Any]:
        """Return the teacher, with which the targets are made again."""
        return {"teacher": None if self.teacher is None else self.teacher.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned; the targets cost a prediction of all training micrographs."""
        if state["teacher"] is not None:
            self._learn_from(Teacher.from_state(state["teacher"]))

    def evaluate(self, split: Split) -> dict[str, float]:
        """Score a split by `scoring.score`; of validation, only the micrographs that choose no threshold."""
        self.require_splits(split, "val")
        thresholds = scoring.choose_thresholds(self.judge.predict(calibration_part(self.splits["val"])))
        return scoring.score(self.judge.predict(scored_part(self.splits[split])), thresholds)

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """Return the findings of `health.findings`."""
        return health.findings(report, self.config)

    def panels(self) -> dict[str, np.ndarray]:
        """Draw a panel for each of a few validation micrographs that are scored."""
        return panels.draw_panels(self._lone_judge, self.splits["val"], self._stage) if "val" in self.splits else {}

    def stage_panel(self) -> np.ndarray | None:
        """Draw a validation micrograph with its picks and, in an iteration, a training micrograph's pseudo-labels."""
        if "val" not in self.splits:
            return None
        extra = []
        if self.teacher is not None:
            train, iteration = self.splits["train"], self.teacher.iteration
            extra.append(panels.draw_pseudo_labels(train, 0, self.lesson.targets[0], iteration))
        return panels.draw_stage_panel(self._lone_judge, self.splits["val"], self._stage, extra)

    def describe(self) -> dict[str, Any]:
        """Describe splits and network, and the particles' radius."""
        return {"radius_px": next(iter(self.splits.values())).radius, **super().describe()}

    @property
    def _lone_judge(self) -> Judge:
        """The judge of this process alone: one process draws the panels."""
        return replace(self.judge, processes=Processes())

    @property
    def _stage(self) -> str:
        return "supervised" if self.teacher is None else f"iteration {self.teacher.iteration}"

    def _new_teacher(self, iteration: int) -> Teacher:
        platt = Platt(1.0, 0.0)
        if self.config.threshold_scale == "calibrated":
            platt = fit_platt(self.judge.calibration_maps(calibration_part(self.splits["val"])))
        average_precision = self.evaluate("val")["particle_ap"]
        if self.teacher is not None:  # the highest so far, for several small falls add up to a large one
            average_precision = max(average_precision, self.teacher.average_precision)
        return Teacher.from_network(self.net, iteration, platt, average_precision)

    def _learn_from(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self._begin_lesson(teacher.teach(self.judge, self.splits["train"]))

    def _begin_lesson(self, lesson: Lesson) -> None:
        self.lesson = lesson
        train = self.splits["train"]
        self._batches = Batches(self.config, train, lesson.targets, self.device, self._seed, self.processes)
        self._step = TrainingStep(self.net, self.config, lesson.facts, self.device)


build = UNetSelfTrain
