"""What the network of one stage teaches that of the next: targets of the training micrographs, and how sure they are.

The recipe for the targets is the teacher's weights, its scaling and the iteration. A checkpoint holds the recipe and
not the targets: for thousands of micrographs these would be gigabytes, and on a CPU the recipe gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.processes import Processes
from trainables.unet_selftrain import pseudo, targets
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.micrographs import Micrographs
from trainables.unet_selftrain.pseudo import Platt

Predict = Callable[[Micrographs, int], np.ndarray]
"""The network's probabilities `[H, W]` of one micrograph, un-augmented."""


@dataclass(frozen=True)
class Lesson:
    """What a stage trains on.

    Attributes:
        targets: of each training micrograph, int8 `[H, W]` in percent, −1 where ignored.
        facts: figures of them and of how they came about, the same keys in every stage.
    """

    targets: list[np.ndarray]
    facts: dict[str, float]


@dataclass(frozen=True)
class Teacher:
    """The network that an iteration's pseudo-labels are of.

    Attributes:
        iteration: the one that it teaches, from 1.
        weights: of the network.
        platt: of its probabilities; (1, 0) where thresholds cut them as they are.
        average_precision: of it on validation.
    """

    iteration: int
    weights: dict[str, Tensor]
    platt: Platt
    average_precision: float

    def state(self) -> dict[str, Any]:
        """Plain values and tensors; `Teacher.of` reads them back."""
        return {
            "iteration": self.iteration,
            "weights": self.weights,
            "platt": list(self.platt),
            "average_precision": self.average_precision,
        }

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Teacher:
        """The teacher whose `state` it was."""
        return cls(state["iteration"], state["weights"], Platt(*state["platt"]), state["average_precision"])

    @classmethod
    def now(cls, net: nn.Module, iteration: int, platt: Platt, average_precision: float) -> Teacher:
        """The network as it is."""
        weights = {key: value.detach().clone() for key, value in net.state_dict().items()}
        return cls(iteration, weights, platt, average_precision)

    @torch.no_grad()
    def lesson(
        self, net: nn.Module, predict: Predict, micrographs: Micrographs, config: Config, processes: Processes
    ) -> Lesson:
        """The iteration's targets, predicted by `net` with the teacher's weights; then it has its own again."""
        own = {key: value.clone() for key, value in net.state_dict().items()}
        net.load_state_dict(self.weights)
        mine = [_marked(self, predict, micrographs, place, config) for place in processes.places(len(micrographs))]
        net.load_state_dict(own)
        marked = processes.gather(mine, len(micrographs))
        return _lesson(self, [target for target, _ in marked], max(top for _, top in marked), micrographs, config)


def supervised(micrographs: Micrographs, config: Config) -> Lesson:
    """The targets of the first stage: the known particles, and all else negative."""
    originals = [_original(micrographs, place, config) for place in range(len(micrographs))]
    facts = _statistics(originals, micrographs, config)
    thresholds = {"pseudo_pos": 1.0, "pseudo_neg": 0.0, "thresholds_too_close": 0.0, "pseudo_highest": 0.0}
    return Lesson(originals, {"iteration": 0.0, "ap_before": 0.0, **thresholds, **facts})


def _marked(
    teacher: Teacher, predict: Predict, micrographs: Micrographs, place: int, config: Config
) -> tuple[np.ndarray, float]:
    """One micrograph's target, and the highest scaled probability outside its known particles."""
    probabilities = pseudo.scaled(predict(micrographs, place), teacher.platt)
    original = _original(micrographs, place, config)
    centres, radius = micrographs.centres(micrographs.known[place]), micrographs.radius / micrographs.downsample
    far = None
    if config.trust_negatives == "far":
        far = ~targets.near(original.shape, centres, config.far * radius)
    cut = pseudo.thresholds(config, teacher.iteration)
    least = pseudo.smallest_patch(config, radius, cut)
    outside = probabilities[original <= 0]
    highest = float(outside.max()) if outside.size else 0.0
    return pseudo.merge(probabilities, original, far, cut, config, least), highest


def _lesson(
    teacher: Teacher, merged: list[np.ndarray], highest: float, micrographs: Micrographs, config: Config
) -> Lesson:
    cut = pseudo.thresholds(config, teacher.iteration)
    facts = {
        "iteration": float(teacher.iteration),
        "ap_before": teacher.average_precision,
        "pseudo_pos": cut.pos,
        "pseudo_neg": cut.neg,
        "thresholds_too_close": float(not cut.apart),
        "pseudo_highest": highest,
    }
    return Lesson(merged, {**facts, **_statistics(merged, micrographs, config)})


def _statistics(merged: list[np.ndarray], micrographs: Micrographs, config: Config) -> dict[str, float]:
    counts = pseudo.Statistics()
    radius = micrographs.radius / micrographs.downsample
    for place, target in enumerate(merged):
        known, hidden = (micrographs.centres(each[place]) for each in (micrographs.known, micrographs.hidden))
        counts.add(target, _original(micrographs, place, config), known, hidden, radius)
    return counts.values()


def _original(micrographs: Micrographs, place: int, config: Config) -> np.ndarray:
    """int8 `[H, W]`, the known particles alone."""
    centres = micrographs.centres(micrographs.known[place])
    return targets.render(micrographs.images[place].shape, centres, micrographs.radius / micrographs.downsample, config)
