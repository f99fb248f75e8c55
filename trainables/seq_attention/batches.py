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
from trainables.seq_attention.letterbox import content_extent, content_size, normalise
from trainables.seq_attention.markers import network_input
from trainables.seq_attention.orders import sort_objects
from trainables.seq_attention.split import Scenes
from trainables.training.generators import seeded_generator

CPU = torch.device("cpu")
MAX_COLOUR_CHANGE = 0.2  # augment=light: of brightness and of contrast


class Batch(NamedTuple):
    """This process's rows of a batch, on the device.

    Attributes:
        images: float32 `[b, 7, S, S]`, as `markers.network_input` composes them.
        k: int64 `[b]`, how many objects are marked.
        extent: float32 `[b, 2]`, share of the square's width and height that the image fills.
        objects: float32 `[b, M, 2]`, all objects in their order, normalised; 0 beyond an image's number.
        remaining: bool `[b, M]`, objects that are not marked.
        teaches_done: bool `[b]`, rows that count in the done loss.
        teaches_location: bool `[b]`, rows that count in the location's loss; none of those that are done.
        done_rows: rows of the whole batch that teach done, per process.
        location_rows: rows of the whole batch that teach the location, per process.
    """

    images: Tensor
    k: Tensor
    extent: Tensor
    objects: Tensor
    remaining: Tensor
    teaches_done: Tensor
    teaches_location: Tensor
    done_rows: float
    location_rows: float

    @property
    def done(self) -> Tensor:
        """Rows in which all objects are marked, bool `[b]`."""
        return ~self.remaining.any(dim=1)

    @property
    def next_objects(self) -> Tensor:
        """The next object of the order, `[b, 2]`; any value where all are marked."""
        last = max(self.objects.shape[1] - 1, 0)
        return self.objects[torch.arange(len(self.k), device=self.k.device), self.k.clamp(max=last)]


class Draws(NamedTuple):
    """The random numbers of a batch of B pairs, uniform in [0, 1) unless said otherwise.

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
        """Yield an epoch's batches, shuffled; every image comes `samples` times, each time with a k of its own."""
        order = torch.randperm(self._pairs, generator=seeded_generator(CPU, self.seed, epoch, 0)) % len(self.scenes)
        generator = seeded_generator(CPU, self.seed, epoch, 1)
        for indices in order.split(self.size)[: self.steps]:
            yield self._batch(indices, generator)

    @property
    def _pairs(self) -> int:
        return len(self.scenes) * self.config.samples

    def _batch(self, indices: Tensor, generator: torch.Generator) -> Batch:
        batch_draws = _draw(len(indices), int(self._counts.max()), generator)
        counts = self._counts[indices.numpy()]
        k, for_location = self._choose_k(counts, batch_draws.k.numpy())
        rows = [self.processes.rows(values) for values in (indices, torch.from_numpy(k), *batch_draws)]
        own_indices, count, draws = rows[0].numpy(), rows[1], Draws(*rows[2:])
        pixels, objects = self._flip(own_indices, draws.flip.numpy())
        count, objects = count.to(self.device), objects.to(self.device)
        extent = torch.from_numpy(content_extent(self.scenes.sizes[own_indices])).to(self.device)
        colours = _change_colours(pixels.to(self.device), draws.colour.to(self.device), self.config)
        # Normalised, a share of image_size is twice as long: the square is −1 to 1. Targets stay where they are.
        marks = objects + 2 * self.config.marker_jitter * draws.jitter[:, : objects.shape[1]].to(self.device)
        totals = torch.from_numpy(self._counts[own_indices]).to(self.device)
        index = torch.arange(objects.shape[1], device=self.device)
        for_done = ~for_location if self.config.sampling == "separate" else np.ones_like(for_location)
        for_location = for_location & (k < counts)  # where all are marked there is no location to teach
        teaches = [self.processes.rows(torch.from_numpy(rows)).to(self.device) for rows in (for_done, for_location)]
        return Batch(
            images=network_input(colours, marks, count, self.config),
            k=count,
            extent=extent,
            objects=objects,
            remaining=(index >= count[:, None]) & (index < totals[:, None]),
            teaches_done=teaches[0],
            teaches_location=teaches[1],
            done_rows=for_done.sum() / self.processes.world,
            location_rows=for_location.sum() / self.processes.world,
        )

    def _choose_k(self, counts: np.ndarray, uniforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Choose how many objects are marked, int64 `[B]`, and which rows are for the location, bool `[B]`."""
        if self.config.sampling == "mixed":
            return sampling.draw_k(counts, uniforms, self.config), np.ones(len(counts), dtype=bool)
        for_location = np.arange(len(counts)) % 2 == 1
        location_k = sampling.draw_location_k(counts, uniforms)
        return np.where(for_location, location_k, sampling.draw_done_k(counts, uniforms)), for_location

    def _flip(self, indices: np.ndarray, flips: np.ndarray) -> tuple[Tensor, Tensor]:
        """Copy images, some of them mirrored: uint8 `[b, S, S, 3]`, and their objects float32 `[b, M, 2]`.

        Objects are normalised, and in the order of the mirrored image.
        """
        pixels = self.scenes.batch(indices.tolist())
        objects = np.zeros((len(indices), max(1, *self._counts[indices].tolist()), 2), np.float32)
        for row, (index, flip) in enumerate(zip(indices.tolist(), flips, strict=True)):
            points = self._objects[index]
            if self.config.augment == "light" and flip.any():
                points = self._mirror_objects(index, flip)
                content = content_size(self.scenes.sizes[index].tolist(), pixels.shape[1])
                pixels[row] = _mirror_image(pixels[row], content, flip)
            objects[row, : len(points)] = points
        return torch.from_numpy(pixels), torch.from_numpy(objects)

    def _mirror_objects(self, index: int, flip: np.ndarray) -> np.ndarray:
        """Mirror an image's objects; returns them normalised, in their new order."""
        points, size = self.scenes.points[index], self.scenes.sizes[index].astype(np.float32)
        return self._sort(np.where(flip, size - points, points), size)

    @cached_property
    def _counts(self) -> np.ndarray:
        return self.scenes.counts

    @cached_property
    def _objects(self) -> list[np.ndarray]:
        """The objects of each image in their order, normalised."""
        return list(map(self._sort, self.scenes.points, self.scenes.sizes))

    def _sort(self, points: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Sort and normalise objects `[n, 2]` in pixels of an image of `size`."""
        return normalise(points[sort_objects(points, self.config.order, self.row_height)], size)


def _draw(pairs: int, most_objects: int, generator: torch.Generator) -> Draws:
    return Draws(
        k=torch.rand(pairs, generator=generator, dtype=torch.float64),
        flip=torch.rand(pairs, 2, generator=generator) < 0.5,
        colour=torch.rand(pairs, 2, generator=generator),
        jitter=torch.randn(pairs, most_objects, 2, generator=generator),
    )


def _mirror_image(pixels: np.ndarray, content: tuple[int, int], flip: np.ndarray) -> np.ndarray:
    """Mirror a letterboxed image `[S, S, 3]` where it is no padding."""
    width, height = content
    image = pixels.copy()
    image[:height, :width] = pixels[:height, :width][:: -1 if flip[1] else 1, :: -1 if flip[0] else 1]
    return image


def _change_colours(pixels: Tensor, draws: Tensor, config: Config) -> Tensor:
    """Change contrast and brightness of pixels from 0 to 255."""
    if config.augment == "none":
        return pixels
    brightness, contrast = (1 + MAX_COLOUR_CHANGE * (2 * draws - 1)).unbind(1)
    values = pixels.float()
    mean = values.mean((1, 2, 3), keepdim=True)
    output = (values - mean) * contrast.view(-1, 1, 1, 1) + mean * brightness.view(-1, 1, 1, 1)
    return output.clamp(0, 255)
