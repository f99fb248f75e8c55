"""Images without content: those on which the entropy is raised, and held-out ones on which the bias is measured.

What a density on them says about places cannot come from the image. The backbone is frozen, so their features are
computed once.
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
from trainables.entropy_reg.features import pixel_features
from trainables.entropy_reg.losses import entropy
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.scanpaths import HISTORY
from trainables.entropy_reg.split import Stimuli, cell_grid
from trainables.processes import Processes
from trainables.training.generators import seeded_generator

POOL = 64
"""Colours from which each computation of the entropy draws; their features are computed once."""

MARGIN = 64
"""Pixels, of the image that the backbone sees, by which `reflect` continues an image."""

_SEED = 0  # of the images: not the training's, so that all trials share the features and are measured on the same
_CHUNK = 16  # images that are measured together
_MAX_HISTORIES = 4096
_HISTORIES, _ENTROPY = 1, 3  # streams of random numbers


class Contentless:
    """Images without content of one shape, by their features, and histories of real viewers to show with them.

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
        self._maps = pixel_features(config, data, key, list(pixels), device, margin)(range(self.number))
        self._histories = torch.from_numpy(histories).to(device)
        self._uniform = torch.zeros(1, *cell_grid(self.shape), device=device)

    def draw_histories(self, number: int, generator: torch.Generator) -> Tensor:
        """Draw histories with replacement: their indices, int64 `[n]`."""
        return torch.randint(len(self._histories), (number,), generator=generator)

    def log_densities(self, net: DeepGaze, indices: Tensor, history_indices: Tensor | None) -> Tensor:
        """Predict log-densities of some of the images, with a uniform centre bias, `[n, h, w]`.

        Args:
            net: the model.
            indices: of the images, int64 `[n]`.
            history_indices: of the history that is shown with each image, int64 `[n]`; None: of the spatial model.
        """
        rows = indices.to(self._uniform.device)
        history = None if history_indices is None else self._histories[history_indices.to(rows.device)][:, None]
        bias = self._uniform.expand(len(indices), -1, -1)
        return net([maps[rows] for maps in self._maps], self.shape, bias, history)[:, 0]


def prepare_probes(config: Config, data: Data, train: Stimuli, held_out: Stimuli) -> None:
    """Compute the features of all images without content before any trial needs them."""
    Probes(config, data, held_out, torch.device("cpu"))
    for kind in ("grey3", "grey", "rgb_random"):
        EntropyTerm(replace(config, uniform_kind=kind), data, train, torch.device("cpu"), 0, Processes())


class EntropyTerm:
    """The mean entropy of the densities on images without content, drawn anew at each computation."""

    def __init__(
        self, config: Config, data: Data, train: Stimuli, device: torch.device, seed: int, processes: Processes
    ) -> None:
        self.config, self.seed, self.processes = config, seed, processes
        kind, shape = config.uniform_kind, train.usual_shape
        number = 3 if kind == "grey3" else POOL
        pixels = probes.uniform_for_training(kind, number, shape, _SEED)
        self.images = Contentless(config, data, pixels, sample_histories(train), device)

    def is_due(self, step: int) -> bool:
        """Tell whether the entropy is computed at a step, counted from 0 over all epochs."""
        return step % self.config.compute_every == 0

    def mean_entropy(self, net: DeepGaze, step: int) -> Tensor:
        """Compute the mean entropy in bits; of several processes this one's part, whose mean over them is the whole."""
        generator = seeded_generator(torch.device("cpu"), self.seed, step, _ENTROPY)
        order = torch.randperm(self.images.number, generator=generator)
        # without histories the same image again would say the same again
        number = self.config.n_uniform if net.conditional else min(self.config.n_uniform, len(order))
        indices = self.processes.rows(order.repeat(-(-number // len(order)))[:number])  # which may be none at all
        histories = None
        if net.conditional:
            histories = self.processes.rows(self.images.draw_histories(number, generator))
        log_densities = self.images.log_densities(net, indices, histories)
        return entropy(log_densities).sum() / (number / self.processes.world)


class Bias(NamedTuple):
    """Bias on one kind of probes.

    Attributes:
        bits: bias information of every probe's density, float64 `[N]`.
        density: their mean, float64 `[h, w]` over the cells; sums to 1.
    """

    bits: np.ndarray
    density: np.ndarray

    @property
    def mean_density_bits(self) -> float:
        """Bias information of the mean density: what all probes have in common."""
        return float(scoring.bias_information(np.log(np.maximum(self.density, np.finfo(float).tiny))))


class Probes:
    """Held-out images without content, on which the bias is measured.

    Attributes:
        kinds: `uniform`, `reflect` (the same, mirrored beyond their border), `texture`, and `scrambled`: validation
            images without the phases of their frequencies.
    """

    def __init__(self, config: Config, data: Data, held_out: Stimuli, device: torch.device) -> None:
        shape, number = held_out.usual_shape, data.probes
        histories = sample_histories(held_out)
        uniform = probes.uniform_held_out(number, shape, _SEED)
        texture = probes.texture(number, shape, _SEED)
        scramble = probes.scramble_phases(_sample_pixels(held_out, number), _SEED)
        margin = round(MARGIN * config.downsample)
        self.kinds = {
            "uniform": Contentless(config, data, uniform, histories, device),
            "reflect": Contentless(config, data, uniform, histories, device, margin),
            "texture": Contentless(config, data, texture, histories, device),
            "scrambled": Contentless(config, data, scramble, histories, device),
        }

    @torch.no_grad()
    def measure_bias(self, net: DeepGaze) -> dict[str, Bias]:
        """Measure the bias on each kind, always with the same histories."""
        return {kind: _measure_bias(images, net) for kind, images in self.kinds.items()}


def sample_histories(stimuli: Stimuli) -> np.ndarray:
    """Return histories of fixations on images of the usual shape, evenly chosen, float32 `[M, 4, 2]`, M ≤ 4,096."""
    parts = [
        fixations.history
        for fixations, shape in zip(stimuli.fixations, stimuli.shapes, strict=True)
        if shape == stimuli.usual_shape
    ]
    histories = np.concatenate([np.empty((0, HISTORY, 2), np.float32), *parts])
    number = min(len(histories), _MAX_HISTORIES)
    return histories[np.linspace(0, len(histories) - 1, number).astype(np.int64)]


def _measure_bias(images: Contentless, net: DeepGaze) -> Bias:
    generator = seeded_generator(torch.device("cpu"), _SEED, _HISTORIES)
    histories = images.draw_histories(images.number, generator) if net.conditional else None
    parts = [
        images.log_densities(net, indices, histories if histories is None else histories[indices]).cpu()
        for indices in torch.arange(images.number).split(_CHUNK)
    ]
    log_densities = torch.cat(parts).double().numpy()
    return Bias(scoring.bias_information(log_densities), np.exp(log_densities).mean(axis=0))


def _sample_pixels(stimuli: Stimuli, number: int) -> np.ndarray:
    """Return the pixels `[n, H, W, 3]` of images of the usual shape, evenly chosen."""
    candidates = [index for index, shape in enumerate(stimuli.shapes) if shape == stimuli.usual_shape]
    sample = np.linspace(0, len(candidates) - 1, min(len(candidates), number)).astype(int)
    return np.stack([stimuli.pixels[candidates[index]] for index in sample])
