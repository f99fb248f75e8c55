"""The variant unet_selftrain: data, network and stages put together behind the contract that the loop knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.contract import Context, Finding, Split, Step, Variant
from trainables.measuring.calibration import Platt, fit_platt
from trainables.processes import Processes
from trainables.stages import Stage
from trainables.training.weights import parameter_groups
from trainables.unet_selftrain import health, losses, panels, scoring, teacher
from trainables.unet_selftrain.batches import Batch, Batches
from trainables.unet_selftrain.config import Config, Data, stage_ends
from trainables.unet_selftrain.data import load
from trainables.unet_selftrain.micrographs import Micrographs
from trainables.unet_selftrain.model import network, stride
from trainables.unet_selftrain.scoring import Scored
from trainables.unet_selftrain.targets import HALF
from trainables.unet_selftrain.teacher import Lesson, Teacher
from trainables.unet_selftrain.tiling import probabilities


class UNetSelfTrain(Variant):
    """A U-Net that learns from known particles, and then from what it is sure of."""

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config: Config = config
        self.device, self.processes = context.device, context.processes
        self.micrographs: dict[Split, Micrographs] = {split: load(config, data, split) for split in context.splits}
        self.net = network(config, self.device)
        self.teacher: Teacher | None = None
        if "train" in self.micrographs:
            self._batches = Batches(config, self.micrographs["train"], self.device, context.seed, self.processes)
            self._learn(teacher.supervised(self.micrographs["train"], config))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The supervised stage, and one per iteration; the first iteration comes first where the share is 0."""
        config, ends = self.config, stage_ends(self.config)
        first = len(ends) > config.iterations  # whether there is a supervised stage
        iterations = [
            Stage(
                f"iteration_{number}_selftrain",
                end,
                anew=True,
                lr_factor=config.retrain_lr,
                first_weights=config.restart_weights,
                fresh_optimizer=config.reset_optimizer,
                kept=True,
            )
            for number, end in enumerate(ends[first:], start=1)
        ]
        begun = 1.0 if config.init_from is None else config.retrain_lr
        supervised = [Stage("iteration_0_supervised", ends[0], lr_factor=begun, kept=True)] if first else []
        return (*supervised, *iterations)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of one epoch."""
        return self._batches.steps

    def modules(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"unet": self.net}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The weights and, without decay, biases and norms."""
        return parameter_groups({"unet": self.net}, self.config)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches, with the targets of its stage."""
        return self._batches.of_epoch(epoch, self._lesson.targets)

    def train_mode(self, epoch: int) -> None:
        """At the border to an iteration, let the network as it is now be the teacher."""
        iteration = self._iteration(epoch)
        if iteration and (self.teacher is None or self.teacher.iteration < iteration):
            self._teach(self._new_teacher(iteration))
        self.net.train()

    def step(self, batch: Batch, update: int) -> Step:
        """The loss on the batch, its two terms, and what the stage trains on."""
        found = losses.combined(self.net(batch.images), batch.targets, self.config)
        return Step(found.total, {"raw/focal": found.focal, "raw/dice": found.dice, **self._facts})

    def state(self) -> dict[str, Any]:
        """The teacher, from whom the targets are made again."""
        return {"teacher": None if self.teacher is None else self.teacher.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned; the targets cost a look at all training micrographs."""
        if state["teacher"] is not None:
            self._teach(Teacher.of(state["teacher"]))

    def evaluate(self, split: Split) -> dict[str, float]:
        """What `scoring.figures` says of a split; of validation, only what chooses no threshold is scored."""
        for needed in (split, "val"):
            if needed not in self.micrographs:
                raise ValueError(f"to evaluate {split}, build the variant with the {needed} split too")
        val, judged = self.micrographs["val"], self.micrographs[split]
        calibration = self._scored(val.select(val.calibration))
        return scoring.figures(self._scored(judged.select(~judged.calibration)), calibration)

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """What `health.findings` finds."""
        return health.findings(report, self.config)

    def panels(self) -> dict[str, np.ndarray]:
        """A sheet for each of a few validation micrographs that are scored."""
        if "val" not in self.micrographs:
            return {}
        shown, threshold = range(len(self._judged().names[: panels.COUNT])), self._pick_threshold()
        return {f"micrograph_{place + 1}": panels.sheet(*self._sheet(place, threshold)) for place in shown}

    def stage_picture(self) -> np.ndarray | None:
        """A validation micrograph with its picks and, in an iteration, the pseudo-labels of a training micrograph."""
        if "val" not in self.micrographs:
            return None
        pictures, title = self._sheet(0, self._pick_threshold())
        if self.teacher is not None:
            train = self.micrographs["train"]
            pictures.append(panels.pseudo_labels(train, 0, self._lesson.targets[0], self.teacher.iteration))
        return panels.sheet(pictures, title)

    def describe(self) -> dict[str, Any]:
        """Splits, the particles' radius, and the network's parameters."""
        return {
            "radius_px": next(iter(self.micrographs.values())).radius,
            "splits": {split: micrographs.describe() for split, micrographs in self.micrographs.items()},
            "parameters": {"unet": sum(map(Tensor.numel, self.net.parameters()))},
        }

    # -- self-training -------------------------------------------------------------------------------------------

    def _iteration(self, epoch: int) -> int:
        """The iteration that an epoch (from 0) belongs to; 0 is the supervised stage."""
        ends = stage_ends(self.config)
        return sum(end <= epoch for end in ends) + (len(ends) <= self.config.iterations)

    def _new_teacher(self, iteration: int) -> Teacher:
        platt = Platt(1.0, 0.0)
        if self.config.threshold_scale == "calibrated":
            val = self.micrographs["val"]
            platt = fit_platt(self._calibration_maps(val.select(val.calibration)))
        before = self.evaluate("val")["particle_ap"]
        if self.teacher is not None:  # several small falls are a large one
            before = max(before, self.teacher.average_precision)
        return Teacher.now(self.net, iteration, platt, before)

    def _teach(self, of: Teacher) -> None:
        self.teacher = of
        train = self.micrographs["train"]
        self._learn(of.lesson(self.net, self._predict, train, self.config, self.processes))

    def _learn(self, lesson: Lesson) -> None:
        self._lesson = lesson
        facts = {f"train/{name}": value for name, value in lesson.facts.items()}
        self._facts = {name: torch.tensor(value, device=self.device) for name, value in facts.items()}

    # -- prediction ----------------------------------------------------------------------------------------------

    def _predict(self, micrographs: Micrographs, place: int) -> np.ndarray:
        """float32 `[H, W]`: a micrograph's probabilities, as it is: nothing turned, nothing warped."""
        image = torch.from_numpy(micrographs.image(place)).to(self.device)
        found: np.ndarray = (
            probabilities(self.net, image, self.config.inference_tile, stride(self.config)).cpu().numpy()
        )
        return found

    def _scored(self, micrographs: Micrographs, processes: Processes | None = None) -> list[Scored]:
        """All micrographs, each process doing its share."""
        processes = processes or self.processes
        processes.average_buffers([self.net])
        mine = [
            scoring.scored(self._predict(micrographs, place), micrographs, place, self.config)
            for place in processes.places(len(micrographs))
        ]
        return processes.gather(mine, len(micrographs))

    def _calibration_maps(self, micrographs: Micrographs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Probabilities, and where the target of all particles would be positive: a small disc's, if that is wanted."""
        for place in range(len(micrographs)):
            wanted = teacher.rendered(micrographs, place, micrographs.truth(place), self.config)
            yield self._predict(micrographs, place), wanted >= HALF

    def _judged(self) -> Micrographs:
        val = self.micrographs["val"]
        return val.select(~val.calibration)

    def _pick_threshold(self) -> float:
        """The score from which to pick, found by this process alone: pictures are drawn by one of them."""
        val = self.micrographs["val"]
        return scoring.pick_threshold(self._scored(val.select(val.calibration), Processes()))

    def _sheet(self, place: int, threshold: float) -> tuple[list[np.ndarray], str]:
        """Pictures of a scored validation micrograph, and their title."""
        judged = self._judged()
        found = self._predict(judged, place)
        scored = scoring.scored(found, judged, place, self.config)
        stage = "supervised" if self.teacher is None else f"iteration {self.teacher.iteration}"
        return panels.validation(judged, place, found, scored, threshold), f"{judged.names[place]}   {stage}"


build = UNetSelfTrain
