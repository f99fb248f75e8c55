"""The network of one stage as the teacher of the next: targets of the training micrographs, and how sure they are.

The recipe for the targets is the teacher's weights, its scaling and the iteration. A checkpoint holds the recipe and
not the targets: for thousands of micrographs these would be gigabytes, and on a CPU the recipe gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from trainables.measuring.calibration import Platt, apply_platt
from trainables.unet_selftrain import pseudo
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.judging import Judge
from trainables.unet_selftrain.split import Micrographs
from trainables.unet_selftrain.targets import neighbourhood, render_particles


@dataclass(frozen=True)
class Lesson:
    """The targets of a stage.

    Attributes:
        targets: of each training micrograph, int8 `[H, W]` in percent, −1 where ignored.
        facts: metrics of them and of their origin, the same keys in every stage.
    """

    targets: list[np.ndarray]
    facts: dict[str, float]


@dataclass(frozen=True)
class Teacher:
    """The network whose predictions are an iteration's pseudo-labels.

    Attributes:
        iteration: the one that it teaches, from 1.
        weights: of the network.
        platt: of its probabilities; (1, 0) where thresholds apply to them as they are.
        average_precision: on validation, the highest of it and of the teachers before it.
    """

    iteration: int
    weights: dict[str, Tensor]
    platt: Platt
    average_precision: float

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors; `Teacher.from_state` reads them back."""
        return {
            "iteration": self.iteration,
            "weights": self.weights,
            "platt": list(self.platt),
            "average_precision": self.average_precision,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Teacher:
        """Restore the teacher that returned a `state`."""
        return cls(state["iteration"], state["weights"], Platt(*state["platt"]), state["average_precision"])

    @classmethod
    def from_network(cls, net: nn.Module, iteration: int, platt: Platt, average_precision: float) -> Teacher:
        """Copy the network as it is now."""
        weights = {key: value.detach().clone() for key, value in net.state_dict().items()}
        return cls(iteration, weights, platt, average_precision)

    @torch.no_grad()
    def teach(self, judge: Judge, micrographs: Micrographs) -> Lesson:
        """Make the iteration's targets with the teacher's weights; the judge's network has its own again afterwards."""
        net, config, processes = judge.net, judge.config, judge.processes
        weights = {key: value.clone() for key, value in net.state_dict().items()}
        net.load_state_dict(self.weights)
        indices = processes.indices(len(micrographs))
        part = [self._label(judge.predict_map(micrographs, index), micrographs, index, config) for index in indices]
        net.load_state_dict(weights)
        labels = processes.gather(part, len(micrographs))
        thresholds = pseudo.relax_thresholds(config, self.iteration)
        facts = {
            "iteration": float(self.iteration),
            "ap_before": self.average_precision,
            "pseudo_pos": thresholds.pos,
            "pseudo_neg": thresholds.neg,
            "thresholds_too_close": float(not thresholds.has_gap),
            "pseudo_highest": max(micrograph.highest for micrograph in labels),
        }
        return _lesson(labels, facts)

    def _label(self, raw_map: np.ndarray, micrographs: Micrographs, index: int, config: Config) -> _Labels:
        probabilities = apply_platt(raw_map, self.platt)
        known_particles, radius = micrographs.known_particles[index], micrographs.pixel_radius
        known_target = render_particles(micrographs, index, known_particles, config)
        far = None
        if config.trust_negatives == "far":
            centres = micrographs.downsample_points(known_particles)
            far = ~neighbourhood(known_target.shape, centres, config.far * radius)
        thresholds = pseudo.relax_thresholds(config, self.iteration)
        min_area = pseudo.min_patch_area(config, radius, thresholds)
        target = pseudo.merge(probabilities, known_target, far, thresholds, config, min_area)
        candidates = probabilities[known_target <= 0]
        highest = float(candidates.max()) if candidates.size else 0.0
        return _Labels(target, _count(target, known_target, micrographs, index, config), highest)


def supervised_lesson(micrographs: Micrographs, config: Config) -> Lesson:
    """Make the targets of the first stage: the known particles, and all else negative."""
    labels = []
    for index in range(len(micrographs)):
        target = render_particles(micrographs, index, micrographs.known_particles[index], config)
        labels.append(_Labels(target, _count(target, target, micrographs, index, config), 0.0))
    thresholds = {"pseudo_pos": 1.0, "pseudo_neg": 0.0, "thresholds_too_close": 0.0, "pseudo_highest": 0.0}
    return _lesson(labels, {"iteration": 0.0, "ap_before": 0.0, **thresholds})


class _Labels(NamedTuple):
    """A micrograph's target, its counts, and the highest scaled probability outside its known particles."""

    target: np.ndarray
    statistics: pseudo.Statistics
    highest: float


def _count(
    target: np.ndarray, known_target: np.ndarray, micrographs: Micrographs, index: int, config: Config
) -> pseudo.Statistics:
    statistics = pseudo.Statistics()
    known_particles, hidden_particles = micrographs.known_particles[index], micrographs.hidden_particles[index]
    statistics.add(
        target,
        known_target,
        render_particles(micrographs, index, hidden_particles, config),
        micrographs.downsample_points(known_particles),
        micrographs.downsample_points(hidden_particles),
        micrographs.pixel_radius,
    )
    return statistics


def _lesson(labels: Sequence[_Labels], facts: Mapping[str, float]) -> Lesson:
    total = sum((micrograph.statistics for micrograph in labels), pseudo.Statistics())
    return Lesson([micrograph.target for micrograph in labels], {**facts, **total.metrics()})
