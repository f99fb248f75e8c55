"""The densities of a split's images, and how well they fit what was fixated there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from trainables.entropy_reg import scoring
from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.config import Data
from trainables.entropy_reg.features import Features
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.scanpaths import Fixations
from trainables.entropy_reg.stimuli import Stimuli, cells
from trainables.processes import Processes

_AT_ONCE = 16  # densities of a history that are computed together

Figures = dict[str, float]


@dataclass(frozen=True)
class Judge:
    """Says how good a model's densities are on images that it was not trained on.

    Attributes:
        stimuli: the images, with their features.
        prior: the centre bias of the training fixations, against which information gain is measured; the images'
            own fixations are not in it.
        given: the centre bias that the model is shown; None: a uniform one.
        conditional: whether the model is shown histories, and so has a density for every fixation.
    """

    stimuli: Stimuli
    features: Features
    prior: CentreBias
    given: CentreBias | None
    data: Data
    device: torch.device
    processes: Processes
    conditional: bool

    def figures(self, net: DeepGaze) -> dict[str, np.ndarray]:
        """Of every image, float64 `[N]` each: the figures of `_image`."""
        places = self.processes.indices(len(self.stimuli))
        found = self.processes.gather([self._image(net, place) for place in places], len(self.stimuli))
        return {name: np.array([each[name] for each in found]) for name in found[0]}

    def density(self, net: DeepGaze, place: int) -> np.ndarray:
        """The log-density of an image, or the logarithm of the mean of those of its histories, float64 `[h, w]`."""
        parts = [part.astype(np.float64) for part in self._log_densities(net, place, self._scored(place))]
        every: np.ndarray = np.log(np.exp(np.concatenate(parts)).mean(axis=0))
        return every

    def _image(self, net: DeepGaze, place: int) -> Figures:
        """Bits per fixation, AUC, NSS, and KL, CC and SIM against blurred fixations; the error of the density's sum."""
        scored = self._scored(place)
        densities = np.concatenate(list(self._log_densities(net, place, scored)))
        of = scoring.conditional_figures if self.conditional else scoring.figures
        found = of(densities if self.conditional else densities[0], scored.points, self.data.degree)
        shape = self.stimuli.shapes[place]
        size = cells(shape)
        known = scoring.log_likelihood(self.prior.log_density(size), scoring.cell_of(scored.points, size)).mean()
        return {
            "information_gain_bits": found.ll - float(known),
            "log_likelihood_bits": found.ll,
            "nll_bits": float(np.log2(shape[0] * shape[1])) - found.ll,
            "centre_bias_log_likelihood_bits": float(known),
            "auc": found.auc,
            "nss": found.nss,
            "kl_bits": found.kl,
            "cc": found.cc,
            "sim": found.sim,
            "sum_error": float(np.abs(np.exp(densities, dtype=np.float64).sum(axis=(1, 2)) - 1).max()),
        }

    def _scored(self, place: int) -> Fixations:
        """All fixations of an image; with histories some of them, evenly chosen."""
        every = self.stimuli.fixations[place]
        number = self.data.scored_fixations or len(every.points)
        if not self.conditional or number >= len(every.points):
            return every
        return every.select(np.linspace(0, len(every.points) - 1, number).astype(np.int64))

    @torch.no_grad()
    def _log_densities(self, net: DeepGaze, place: int, scored: Fixations) -> Iterator[np.ndarray]:
        """float32 `[n, h, w]` each: one density, or those of the fixations, a few at a time."""
        shape = self.stimuli.shapes[place]
        size = cells(shape)
        bias = np.zeros(size) if self.given is None else self.given.log_density(size)
        shown = torch.from_numpy(bias.astype(np.float32))[None].to(self.device)
        maps = self.features([place])
        histories = torch.from_numpy(scored.history).to(self.device).split(_AT_ONCE) if self.conditional else [None]
        for history in histories:
            yield net(maps, shape, shown, history if history is None else history[None])[0].cpu().numpy()
