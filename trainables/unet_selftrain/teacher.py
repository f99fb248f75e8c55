"""What the network of one stage teaches that of the next: targets of the training micrographs, and how sure they are.

The recipe for the targets is the teacher's weights, its scaling and the iteration. A checkpoint holds the recipe and
not the targets: for thousands of micrographs these would be gigabytes, and on a CPU the recipe gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from trainables.measuring.calibration import Platt, scaled
from trainables.processes import Processes
from trainables.unet_selftrain import pseudo, targets
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.micrographs import Micrographs

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
        average_precision: on validation, the highest of it and of the teachers before it.
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
        places = processes.places(len(micrographs))
        mine = [self._marked(predict(micrographs, place), micrographs, place, config) for place in places]
        net.load_state_dict(own)
        marked = processes.gather(mine, len(micrographs))
        cut = pseudo.thresholds(config, self.iteration)
        facts = {
            "iteration": float(self.iteration),
            "ap_before": self.average_precision,
            "pseudo_pos": cut.pos,
            "pseudo_neg": cut.neg,
            "thresholds_too_close": float(not cut.apart),
            "pseudo_highest": max(each.highest for each in marked),
        }
        return _lesson(marked, facts)

    def _marked(self, predicted: np.ndarray, micrographs: Micrographs, place: int, config: Config) -> _Marked:
        probabilities = scaled(predicted, self.platt)
        original = rendered(micrographs, place, micrographs.known[place], config)
        radius = micrographs.radius / micrographs.downsample
        far = None
        if config.trust_negatives == "far":
            near = targets.near(original.shape, micrographs.centres(micrographs.known[place]), config.far * radius)
            far = ~near
        cut = pseudo.thresholds(config, self.iteration)
        least = pseudo.smallest_patch(config, radius, cut)
        merged = pseudo.merge(probabilities, original, far, cut, config, least)
        outside = probabilities[original <= 0]
        highest = float(outside.max()) if outside.size else 0.0
        return _Marked(merged, _counted(merged, original, micrographs, place, config), highest)


def supervised(micrographs: Micrographs, config: Config) -> Lesson:
    """The targets of the first stage: the known particles, and all else negative."""
    marked = []
    for place in range(len(micrographs)):
        original = rendered(micrographs, place, micrographs.known[place], config)
        marked.append(_Marked(original, _counted(original, original, micrographs, place, config), 0.0))
    thresholds = {"pseudo_pos": 1.0, "pseudo_neg": 0.0, "thresholds_too_close": 0.0, "pseudo_highest": 0.0}
    return _lesson(marked, {"iteration": 0.0, "ap_before": 0.0, **thresholds})


def rendered(micrographs: Micrographs, place: int, points: np.ndarray, config: Config) -> np.ndarray:
    """The target int8 `[H, W]` of particles `[n, 2]` of a micrograph, in stored pixels; all else is negative."""
    radius = micrographs.radius / micrographs.downsample
    return targets.render(micrographs.images[place].shape, micrographs.centres(points), radius, config)


class _Marked(NamedTuple):
    """A micrograph's target, its counts, and the highest scaled probability outside its known particles."""

    target: np.ndarray
    counts: pseudo.Statistics
    highest: float


def _counted(
    merged: np.ndarray, original: np.ndarray, micrographs: Micrographs, place: int, config: Config
) -> pseudo.Statistics:
    counts = pseudo.Statistics()
    known, hidden = (micrographs.centres(each[place]) for each in (micrographs.known, micrographs.hidden))
    concealed = rendered(micrographs, place, micrographs.hidden[place], config)
    counts.add(merged, original, concealed, known, hidden, micrographs.radius / micrographs.downsample)
    return counts


def _lesson(marked: Sequence[_Marked], facts: Mapping[str, float]) -> Lesson:
    counts = sum((each.counts for each in marked), pseudo.Statistics())
    return Lesson([each.target for each in marked], {**facts, **counts.values()})
