"""Training batches: images of one shape, their features, what was fixated, and the centre bias without the image's own.

Everything random is drawn for the whole batch from generators of the CPU that seed and epoch determine; each process
then takes its rows. What a regulariser draws has streams of its own: without its weight, a training is the same, bit
for bit, as one without the regulariser.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.features import Features
from trainables.entropy_reg.scoring import cell_of
from trainables.entropy_reg.stimuli import Shape, Stimuli, cells
from trainables.processes import Processes
from trainables.training.generators import seeded_generator

_CPU = torch.device("cpu")
_KEPT_BYTES = 2**28
_ORDER, _FIXATIONS, _DROPOUT = range(3)  # streams of random numbers


class Batch(NamedTuple):
    """This process's rows of a batch, on the device.

    Attributes:
        step: of the training, from 0, over all epochs.
        shape: height and width of the images in pixels.
        features: the backbone's maps, each `[b, C, h, w]`.
        centre_bias: float32 `[b, H/4, W/4]`, log; constant where it is uniform.
        cells: int64 `[b, n]`, of the fixations that are scored.
        shares: float32 `[b, n]`, of each in its image's mean; 0 where there is none.
        history: float32 `[b, n, 4, 2]` in pixels, or None.
        weights: float32 `[b]`, 0 for an image that only fills the batch up.
        images: of the whole batch, those that count, per process.
    """

    step: int
    shape: Shape
    features: list[Tensor]
    centre_bias: Tensor
    cells: Tensor
    shares: Tensor
    history: Tensor | None
    weights: Tensor
    images: float


@dataclass(frozen=True)
class Batches:
    """The training images as batches; `conditional` ones have a history."""

    config: Config
    data: Data
    stimuli: Stimuli
    features: Features
    prior: CentreBias
    device: torch.device
    seed: int
    processes: Processes

    @cached_property
    def steps(self) -> int:
        """Batches of one epoch."""
        return sum(-(-len(group) // self.config.batch_size) for group in self._groups)

    def of_epoch(self, epoch: int, *, conditional: bool) -> Iterator[Batch]:
        """An epoch's batches: every image once; the last one of a shape is filled up with images that do not count."""
        order = seeded_generator(_CPU, self.seed, epoch, _ORDER)
        batches = [batch for group in self._groups for batch in self._split(group, order)]
        draws = [seeded_generator(_CPU, self.seed, epoch, stream) for stream in (_FIXATIONS, _DROPOUT)]
        for step, index in enumerate(torch.randperm(len(batches), generator=order).tolist()):
            places, weights = batches[index]
            yield self._batch(epoch * self.steps + step, places, weights, draws, conditional)

    @cached_property
    def _groups(self) -> list[Tensor]:
        """The places of the images of each shape, int64 `[n]`."""
        shapes = self.stimuli.shapes
        return [
            torch.tensor([place for place, each in enumerate(shapes) if each == shape]) for shape in sorted(set(shapes))
        ]

    def _split(self, group: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Places `[B]` and weights `[B]` of the batches of a shape, shuffled."""
        order = group[torch.randperm(len(group), generator=generator)]
        size = self.config.batch_size
        for first in range(0, len(order), size):
            index = torch.arange(first, first + size)
            yield order[index % len(order)], (index < len(order)).float()

    def _batch(
        self, step: int, places: Tensor, weights: Tensor, draws: Sequence[torch.Generator], conditional: bool
    ) -> Batch:
        chosen = torch.rand(len(places), self.data.train_fixations, generator=draws[0], dtype=torch.float64)
        dropped = torch.rand(len(places), generator=draws[1]) < self.config.centre_bias_dropout
        own, mine, chosen, dropped = (self.processes.rows(each) for each in (places, weights, chosen, dropped))
        targets = self._drawn(own.tolist(), chosen.numpy()) if conditional else self._all(own.tolist())
        shape = self.stimuli.shapes[int(places[0])]
        return Batch(
            step=step,
            shape=shape,
            features=self.features(own.tolist()),
            centre_bias=self._centre_bias(own.tolist(), shape, dropped).to(self.device),
            cells=torch.from_numpy(targets[0]).to(self.device),
            shares=torch.from_numpy(targets[1]).to(self.device),
            history=torch.from_numpy(targets[2]).to(self.device) if conditional else None,
            weights=mine.to(self.device),
            images=float(weights.sum()) / self.processes.world,
        )

    def _all(self, places: list[int]) -> tuple[np.ndarray, ...]:
        """Cells and shares of all fixations of the images, filled up to the same number."""
        found = [self._cells[place] for place in places]
        most = max(map(len, found), default=1)
        targets, shares = np.zeros((len(places), most), np.int64), np.zeros((len(places), most), np.float32)
        for row, each in enumerate(found):
            targets[row, : len(each)], shares[row, : len(each)] = each, 1 / len(each)
        return targets, shares

    def _drawn(self, places: list[int], uniforms: np.ndarray) -> tuple[np.ndarray, ...]:
        """Cells, shares and histories of a few fixations of each image, drawn with replacement."""
        targets = np.zeros(uniforms.shape, np.int64)
        history = np.full((*uniforms.shape, 4, 2), np.nan, np.float32)
        for row, place in enumerate(places):
            drawn = (uniforms[row] * len(self._cells[place])).astype(np.int64)
            targets[row], history[row] = self._cells[place][drawn], self.stimuli.fixations[place].history[drawn]
        return targets, np.full(uniforms.shape, 1 / uniforms.shape[1], np.float32), history

    def _centre_bias(self, places: list[int], shape: Shape, dropped: Tensor) -> Tensor:
        """What the other images' fixations say, or nothing."""
        size = cells(shape)
        if self.config.centre_bias == "uniform":
            return torch.zeros(len(places), *size)
        found = [self._without(place, size) for place in places]
        given = torch.from_numpy(np.stack(found)) if found else torch.zeros(0, *size)
        return torch.where(dropped[:, None, None], 0.0, given) if self.config.regulariser == "dropout" else given

    def _without(self, place: int, size: Shape) -> np.ndarray:
        """The centre bias without an image's own fixations, float32 `[h, w]`; kept where all of them are small."""
        if place in self._kept:
            return self._kept[place]
        found = self.prior.log_density(size, without=place).astype(np.float32)
        if found.nbytes * len(self.stimuli) <= _KEPT_BYTES:
            self._kept[place] = found
        return found

    @cached_property
    def _kept(self) -> dict[int, np.ndarray]:
        return {}

    @cached_property
    def _cells(self) -> list[np.ndarray]:
        return [
            cell_of(each.points, cells(shape))
            for each, shape in zip(self.stimuli.fixations, self.stimuli.shapes, strict=True)
        ]
