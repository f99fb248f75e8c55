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
from trainables.entropy_reg.scanpaths import HISTORY
from trainables.entropy_reg.scoring import cell_indices
from trainables.entropy_reg.split import Shape, Stimuli, cell_grid
from trainables.processes import Processes
from trainables.training.generators import seeded_generator

_CPU = torch.device("cpu")
_CACHE_BYTES = 2**28  # of centre biases without an image's own fixations; of larger ones none is held
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
    """The training images as batches, which from `config.spatial_epochs` on have histories."""

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

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield an epoch's batches: every image once; the last of a shape is filled up with images without weight."""
        order = seeded_generator(_CPU, self.seed, epoch, _ORDER)
        batches = [batch for group in self._groups for batch in self._split(group, order)]
        draws = [seeded_generator(_CPU, self.seed, epoch, stream) for stream in (_FIXATIONS, _DROPOUT)]
        for step, index in enumerate(torch.randperm(len(batches), generator=order).tolist()):
            rows, weights = batches[index]
            yield self._batch(epoch, epoch * self.steps + step, rows, weights, draws)

    @cached_property
    def _groups(self) -> list[Tensor]:
        """Indices of the images of each shape, int64 `[n]`."""
        shapes = self.stimuli.shapes
        return [
            torch.tensor([index for index, image_shape in enumerate(shapes) if image_shape == shape])
            for shape in sorted(set(shapes))
        ]

    def _split(self, group: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images `[B]` and weights `[B]` of the batches of a shape, shuffled."""
        order = group[torch.randperm(len(group), generator=generator)]
        size = self.config.batch_size
        for first in range(0, len(order), size):
            index = torch.arange(first, first + size)
            yield order[index % len(order)], (index < len(order)).float()

    def _batch(self, epoch: int, step: int, images: Tensor, weights: Tensor, draws: Sequence[torch.Generator]) -> Batch:
        # drawn for the whole batch and whether they are used or not, so that neither processes nor settings shift draws
        uniforms = torch.rand(len(images), self.data.train_fixations, generator=draws[0], dtype=torch.float64)
        dropout = torch.rand(len(images), generator=draws[1]) < self.config.centre_bias_dropout
        rows = self.processes.rows
        indices, shape = rows(images).tolist(), self.stimuli.shapes[int(images[0])]
        if epoch >= self.config.spatial_epochs:
            cells, shares, history = self._sample_fixations(indices, rows(uniforms).numpy())
        else:
            cells, shares, history = *self._all_fixations(indices), None
        return Batch(
            step=step,
            shape=shape,
            features=self.features(indices),
            centre_bias=self._centre_bias(indices, shape, rows(dropout)).to(self.device),
            cells=torch.from_numpy(cells).to(self.device),
            shares=torch.from_numpy(shares).to(self.device),
            history=None if history is None else torch.from_numpy(history).to(self.device),
            weights=rows(weights).to(self.device),
            images=float(weights.sum()) / self.processes.world,
        )

    def _all_fixations(self, indices: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return cells and shares of all fixations of the images, filled up to the same number."""
        longest = max((len(self._cells[index]) for index in indices), default=1)
        cells, shares = np.zeros((len(indices), longest), np.int64), np.zeros((len(indices), longest), np.float32)
        for row, index in enumerate(indices):
            number = len(self._cells[index])
            cells[row, :number], shares[row, :number] = self._cells[index], 1 / number
        return cells, shares

    def _sample_fixations(self, indices: list[int], uniforms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return cells, shares and histories of a few fixations of each image, drawn with replacement."""
        cells = np.zeros(uniforms.shape, np.int64)
        history = np.full((*uniforms.shape, HISTORY, 2), np.nan, np.float32)
        for row, index in enumerate(indices):
            sample = (uniforms[row] * len(self._cells[index])).astype(np.int64)
            cells[row], history[row] = self._cells[index][sample], self.stimuli.fixations[index].history[sample]
        return cells, np.full(uniforms.shape, 1 / uniforms.shape[1], np.float32), history

    def _centre_bias(self, indices: list[int], shape: Shape, dropout: Tensor) -> Tensor:
        """Return the centre bias of the other images' fixations, or a uniform one: `[b, h, w]`."""
        size = cell_grid(shape)
        if self.config.centre_bias == "uniform":
            return torch.zeros(len(indices), *size)
        biases = [self._leave_one_out(index, size) for index in indices]
        bias = torch.from_numpy(np.stack(biases)) if biases else torch.zeros(0, *size)
        return torch.where(dropout[:, None, None], 0.0, bias) if self.config.regulariser == "dropout" else bias

    def _leave_one_out(self, index: int, size: Shape) -> np.ndarray:
        """Return the centre bias without an image's own fixations, float32 `[h, w]`; cached where all are small."""
        if index in self._cache:
            return self._cache[index]
        log_density = self.prior.log_density(size, without=index).astype(np.float32)
        if log_density.nbytes * len(self.stimuli) <= _CACHE_BYTES:
            self._cache[index] = log_density
        return log_density

    @cached_property
    def _cache(self) -> dict[int, np.ndarray]:
        return {}

    @cached_property
    def _cells(self) -> list[np.ndarray]:
        return [
            cell_indices(fixations.points, cell_grid(shape))
            for fixations, shape in zip(self.stimuli.fixations, self.stimuli.shapes, strict=True)
        ]
