"""Training batches: which objects of an image are marked, flips, colours, the way to the device.

Everything random is drawn for the whole batch from generators of the CPU that seed and epoch determine; each process
then takes its rows. So an epoch is the same however often training was interrupted, on however many processes, and on
whatever device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainables.processes import Processes
from trainables.seq_attention import sampling
from trainables.seq_attention.config import Config
from trainables.seq_attention.framing import extent, filled, normalised
from trainables.seq_attention.markers import seen
from trainables.seq_attention.orders import arranged
from trainables.seq_attention.scenes import Scenes
from trainables.training.generators import seeded

CPU = torch.device("cpu")
COLOUR = 0.2  # augment=light: largest change of brightness and of contrast


class Batch(NamedTuple):
    """This process's rows of a batch, on the device.

    Attributes:
        images: float32 `[b, 7, S, S]`, as `markers.seen` makes them.
        marked: int64 `[b]`, how many objects are marked.
        extent: float32 `[b, 2]`, share of the square's width and height that the image fills.
        objects: float32 `[b, M, 2]`, all objects in their order, normalised; 0 beyond an image's number.
        left: bool `[b, M]`, those that are not marked.
        teaches_done: bool `[b]`, rows that count in the done loss.
        teaches_location: bool `[b]`, rows that count in the location's loss; none with nothing left.
        signals: such rows of the whole batch for done, per process.
        locations: and for the location.
    """

    images: Tensor
    marked: Tensor
    extent: Tensor
    objects: Tensor
    left: Tensor
    teaches_done: Tensor
    teaches_location: Tensor
    signals: float
    locations: float

    @property
    def done(self) -> Tensor:
        """bool `[b]`: nothing is left."""
        return ~self.left.any(dim=1)

    @property
    def following(self) -> Tensor:
        """`[b, 2]`: the next object of the order; 0 where nothing is left."""
        last = max(self.objects.shape[1] - 1, 0)
        return self.objects[torch.arange(len(self.marked), device=self.marked.device), self.marked.clamp(max=last)]


class Draws(NamedTuple):
    """What is random in a batch of B pairs, between 0 and 1 where nothing else is said.

    Attributes:
        k: `[B]`, from which the number of marked objects comes.
        flip: bool `[B, 2]`, left to right and upside down.
        colour: `[B, 2]`, of brightness and contrast.
        jitter: `[B, M, 2]`, standard normal.
    """

    k: Tensor
    flip: Tensor
    colour: Tensor
    jitter: Tensor


@dataclass(frozen=True)
class Batches:
    """The training images as batches of (image, k)."""

    config: Config
    scenes: Scenes
    row_height: float
    device: torch.device
    seed: int
    processes: Processes

    @property
    def size(self) -> int:
        """Pairs of a whole batch, over all processes; the last, incomplete batch of an epoch is left out."""
        return min(self.config.batch_size, self._pairs)

    @property
    def steps(self) -> int:
        """Batches of one epoch."""
        return self._pairs // self.size

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """An epoch's batches, shuffled; every image comes `samples` times, each time with a k of its own."""
        order = torch.randperm(self._pairs, generator=seeded(CPU, self.seed, epoch, 0)) % len(self.scenes)
        draws = seeded(CPU, self.seed, epoch, 1)
        for places in order.split(self.size)[: self.steps]:
            yield self._batch(places, draws)

    @property
    def _pairs(self) -> int:
        return len(self.scenes) * self.config.samples

    def _batch(self, places: Tensor, generator: torch.Generator) -> Batch:
        drawn = _draw(len(places), int(self._counts.max()), generator)
        counts = self._counts[places.numpy()]
        k, location = self._marked(counts, drawn.k.numpy())
        mine = [self.processes.rows(each) for each in (places, torch.from_numpy(k), *drawn)]
        own, count, draws = mine[0].numpy(), mine[1], Draws(*mine[2:])
        pixels, objects = self._flipped(own, draws.flip.numpy())
        count, objects = count.to(self.device), objects.to(self.device)
        extents = torch.from_numpy(extent(self.scenes.sizes[own])).to(self.device)
        colours = _coloured(pixels.to(self.device), draws.colour.to(self.device), self.config)
        marked = objects + 2 * self.config.marker_jitter * draws.jitter[:, : objects.shape[1]].to(self.device)
        there = torch.from_numpy(self._counts[own]).to(self.device)
        index = torch.arange(objects.shape[1], device=self.device)
        left = (index >= count[:, None]) & (index < there[:, None])
        for_done = ~location if self.config.sampling == "separate" else np.ones_like(location)
        location &= k < counts
        teaches = [self.processes.rows(torch.from_numpy(each)).to(self.device) for each in (for_done, location)]
        return Batch(
            images=seen(colours, marked, count, self.config),
            marked=count,
            extent=extents,
            objects=objects,
            left=left,
            teaches_done=teaches[0],
            teaches_location=teaches[1],
            signals=for_done.sum() / self.processes.world,
            locations=location.sum() / self.processes.world,
        )

    def _marked(self, counts: np.ndarray, uniforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many objects are marked, int64 `[B]`, and whether a row may teach the location, bool `[B]`."""
        if self.config.sampling == "mixed":
            return sampling.draw(counts, uniforms, self.config), np.ones(len(counts), dtype=bool)
        location = np.arange(len(counts)) % 2 == 1
        unmarked, border = sampling.draw_unmarked(counts, uniforms), sampling.draw_border(counts, uniforms)
        return np.where(location, unmarked, border), location

    def _flipped(self, places: np.ndarray, flips: np.ndarray) -> tuple[Tensor, Tensor]:
        """uint8 `[b, S, S, 3]` and, in the order of the flipped image, float32 `[b, M, 2]` normalised."""
        pixels = self.scenes.batch(places.tolist())
        objects = np.zeros((len(places), max(1, *self._counts[places].tolist()), 2), np.float32)
        for row, (place, flip) in enumerate(zip(places.tolist(), flips, strict=True)):
            found = self._ordered[place]
            if self.config.augment == "light" and flip.any():
                found = self._mirrored(place, flip)
                pixels[row] = _mirror(pixels[row], filled(self.scenes.sizes[place].tolist(), pixels.shape[1]), flip)
            objects[row, : len(found)] = found
        return torch.from_numpy(pixels), torch.from_numpy(objects)

    def _mirrored(self, place: int, flip: np.ndarray) -> np.ndarray:
        """An image's objects after flips, normalised, in their new order."""
        points, size = self.scenes.points[place], self.scenes.sizes[place].astype(np.float32)
        return self._in_order(np.where(flip, size - points, points), size)

    @cached_property
    def _counts(self) -> np.ndarray:
        return self.scenes.counts

    @cached_property
    def _ordered(self) -> list[np.ndarray]:
        """The objects of each image in their order, normalised."""
        return list(map(self._in_order, self.scenes.points, self.scenes.sizes))

    def _in_order(self, points: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Objects `[n, 2]` in pixels of an image of `size`, in their order, normalised."""
        return normalised(points[arranged(points, self.config.order, self.row_height)], size)


def _draw(pairs: int, most: int, generator: torch.Generator) -> Draws:
    return Draws(
        k=torch.rand(pairs, generator=generator, dtype=torch.float64),
        flip=torch.rand(pairs, 2, generator=generator) < 0.5,
        colour=torch.rand(pairs, 2, generator=generator),
        jitter=torch.randn(pairs, most, 2, generator=generator),
    )


def _mirror(pixels: np.ndarray, inner: tuple[int, int], flip: np.ndarray) -> np.ndarray:
    """A fitted image `[S, S, 3]`, mirrored where it is no padding."""
    width, height = inner
    mirrored = pixels.copy()
    mirrored[:height, :width] = pixels[:height, :width][:: -1 if flip[1] else 1, :: -1 if flip[0] else 1]
    return mirrored


def _coloured(pixels: Tensor, draws: Tensor, config: Config) -> Tensor:
    """The pixels, 0 to 255, with another contrast and brightness."""
    if config.augment == "none":
        return pixels
    brightness, contrast = (1 + COLOUR * (2 * draws - 1)).unbind(1)
    values = pixels.float()
    mean = values.mean((1, 2, 3), keepdim=True)
    changed = (values - mean) * contrast.view(-1, 1, 1, 1) + mean * brightness.view(-1, 1, 1, 1)
    return changed.clamp(0, 255)
