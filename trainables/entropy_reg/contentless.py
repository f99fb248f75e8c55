"""Images without content: those on which the entropy is raised, and held-out ones on which the bias is measured.

What a density says of them it cannot have seen in them. The backbone is frozen, so their features are computed once.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainables.entropy_reg import probes, scoring
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.features import features_of
from trainables.entropy_reg.losses import entropy
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.scanpaths import HISTORY
from trainables.entropy_reg.stimuli import Stimuli, cells
from trainables.processes import Processes
from trainables.training.generators import seeded_generator

POOL = 64  # colours of which a computation draws its own; their features are kept
MARGIN = 64  # pixels, of the image that the backbone sees, by which `reflect` continues an image
_SEED = 0  # of the images: not the training's, so that all trials share the features and are measured on the same
_AT_ONCE = 16  # images that are measured together
_HISTORIES = 1  # stream of random numbers


class Contentless:
    """Some such images of one shape, by their features, and histories of real viewers to show with them.

    Args:
        config: of the training.
        data: its data.
        pixels: uint8 `[N, H, W, 3]`.
        histories: float32 `[M, 4, 2]` to draw from, in pixels.
        device: of the model.
        margin: pixels by which the backbone sees them continued.
    """

    def __init__(
        self,
        config: Config,
        data: Data,
        pixels: np.ndarray,
        histories: np.ndarray,
        device: torch.device,
        margin: int = 0,
    ) -> None:
        self.number = len(pixels)
        self.shape = (pixels.shape[1], pixels.shape[2])
        key = ("pixels", hashlib.sha256(pixels.tobytes()).hexdigest(), *pixels.shape)
        self._maps = features_of(config, data, key, list(pixels), device, margin)(range(self.number))
        self._histories = torch.from_numpy(histories).to(device)
        self._uniform = torch.zeros(1, *cells(self.shape), device=device)

    def drawn(self, number: int, generator: torch.Generator) -> Tensor:
        """Places of so many histories, int64 `[n]`."""
        return torch.randint(len(self._histories), (number,), generator=generator)

    def log_densities(self, net: DeepGaze, places: Tensor, histories: Tensor | None) -> Tensor:
        """Of some of the images, with a uniform centre bias, `[n, h, w]`; each with one of the histories, or without.

        Args:
            net: that says so.
            places: of the images, int64 `[n]`.
            histories: what `drawn` gives, `[n]`; None: of the spatial model.
        """
        index = places.to(self._uniform.device)
        history = None if histories is None else self._histories[histories.to(index.device)][:, None]
        bias = self._uniform.expand(len(places), -1, -1)
        return net([each[index] for each in self._maps], self.shape, bias, history)[:, 0]


def prepare_probes(config: Config, data: Data, train: Stimuli, shown: Stimuli) -> None:
    """Compute the features of all images without content before any trial needs them."""
    Probes(config, data, shown, torch.device("cpu"))
    for kind in ("grey3", "grey", "rgb_random"):
        EntropyTerm(replace(config, uniform_kind=kind), data, train, torch.device("cpu"), 0, Processes())


class EntropyTerm:
    """The mean entropy of the densities on images drawn anew at each computation."""

    def __init__(
        self, config: Config, data: Data, train: Stimuli, device: torch.device, seed: int, processes: Processes
    ) -> None:
        self.config, self.seed, self.processes = config, seed, processes
        kind, shape = config.uniform_kind, train.usual_shape
        number = 3 if kind == "grey3" else POOL
        pixels = probes.training_uniform(kind, number, shape, _SEED)
        self.images = Contentless(config, data, pixels, histories_of(train), device)

    def due(self, step: int) -> bool:
        """Whether it is computed at a step, counted from 0 over all epochs."""
        return step % self.config.compute_every == 0

    def mean(self, net: DeepGaze, step: int, *, conditional: bool) -> Tensor:
        """Bits; of several processes this one's part, whose mean over the processes is the whole."""
        generator = seeded_generator(torch.device("cpu"), self.seed, step, 3)
        order = torch.randperm(self.images.number, generator=generator)
        number = self.config.n_uniform if conditional else min(self.config.n_uniform, len(order))  # no image twice
        places = order.repeat(-(-number // len(order)))[:number]
        histories = self.images.drawn(number, generator) if conditional else None
        rows = self.processes.rows  # which may be none at all
        found = self.images.log_densities(net, rows(places), histories if histories is None else rows(histories))
        return entropy(found).sum() / (number / self.processes.world)


class Bias(NamedTuple):
    """What is measured on one kind of probes.

    Attributes:
        bits: bias information of every probe's density, float64 `[N]`.
        density: their mean, float64 `[h, w]` over the cells; sums to 1.
    """

    bits: np.ndarray
    density: np.ndarray

    @property
    def of_mean(self) -> float:
        """Bias information of the mean density: what all probes have in common."""
        return float(scoring.bias_information(np.log(np.maximum(self.density, np.finfo(float).tiny))))


class Probes:
    """Held-out images without content: `uniform`, `reflect` (the same, mirrored beyond their border), `texture`, and
    `scrambled` ones, validation images without the phases of their frequencies."""

    def __init__(self, config: Config, data: Data, shown: Stimuli, device: torch.device) -> None:
        shape, number = shown.usual_shape, data.probes
        histories = histories_of(shown)
        uniform = probes.held_out_uniform(number, shape, _SEED)
        texture = probes.texture(number, shape, _SEED)
        scrambled = probes.phase_scrambled(_some_of_shape(shown, number), _SEED)
        margin = round(MARGIN * config.downsample)
        self.kinds = {
            "uniform": Contentless(config, data, uniform, histories, device),
            "reflect": Contentless(config, data, uniform, histories, device, margin),
            "texture": Contentless(config, data, texture, histories, device),
            "scrambled": Contentless(config, data, scrambled, histories, device),
        }

    @torch.no_grad()
    def measured(self, net: DeepGaze, *, conditional: bool) -> dict[str, Bias]:
        """By kind; always with the same histories."""
        return {name: _measured(each, net, conditional) for name, each in self.kinds.items()}


def histories_of(stimuli: Stimuli) -> np.ndarray:
    """Histories of fixations on images of the usual shape, at most 4,096 of them, float32 `[M, 4, 2]`."""
    found = [
        each.history
        for each, shape in zip(stimuli.fixations, stimuli.shapes, strict=True)
        if shape == stimuli.usual_shape
    ]
    every = np.concatenate([np.empty((0, HISTORY, 2), np.float32), *found])
    return every[np.linspace(0, len(every) - 1, min(len(every), 4096)).astype(np.int64)]


def _measured(images: Contentless, net: DeepGaze, conditional: bool) -> Bias:
    generator = seeded_generator(torch.device("cpu"), _SEED, _HISTORIES)
    drawn = images.drawn(images.number, generator) if conditional else None
    parts = torch.arange(images.number).split(_AT_ONCE)
    found = [images.log_densities(net, part, drawn if drawn is None else drawn[part]).cpu() for part in parts]
    densities = torch.cat(found).double().numpy()
    return Bias(scoring.bias_information(densities), np.exp(densities).mean(axis=0))


def _some_of_shape(stimuli: Stimuli, number: int) -> np.ndarray:
    """Pixels `[n, H, W, 3]` of some images of the shape that most have, evenly chosen."""
    places = [place for place, shape in enumerate(stimuli.shapes) if shape == stimuli.usual_shape]
    chosen = np.linspace(0, len(places) - 1, min(len(places), number)).astype(int)
    return np.stack([stimuli.pixels[places[each]] for each in chosen])
