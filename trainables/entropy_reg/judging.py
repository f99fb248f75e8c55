"""The densities that a model predicts of a split's images, and how well they fit the fixations there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.config import Data
from trainables.entropy_reg.features import Features
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.scanpaths import Fixations, select_scored
from trainables.entropy_reg.scoring import Prediction, score
from trainables.entropy_reg.split import Stimuli, cell_grid
from trainables.processes import Processes

_CHUNK = 16  # densities of a history that are computed together


@dataclass(frozen=True)
class Judge:
    """Predictions of a model on images that it was not trained on, and their metrics.

    Attributes:
        net: the model.
        stimuli: the images.
        features: of the images.
        prior: the centre bias of the training fixations, against which information gain is measured; the images'
            own fixations are not in it.
        centre_bias: that the model is shown; None: a uniform one.
        data: decides how many fixations are scored, and the blur of fixation maps.
        device: of the model.
        processes: that share the images.
    """

    net: DeepGaze
    stimuli: Stimuli
    features: Features
    prior: CentreBias
    centre_bias: CentreBias | None
    data: Data
    device: torch.device
    processes: Processes

    def predict(self, index: int) -> Prediction:
        """Predict the densities of one image."""
        fixations = self._scored_fixations(index)
        log_densities = np.concatenate(list(self._log_densities(index, fixations)))
        return Prediction(log_densities if self.net.conditional else log_densities[0], fixations)

    def score_images(self) -> dict[str, np.ndarray]:
        """Score every image of the split, each process its share: the metrics of `score`, float64 `[N]` each."""
        indices = self.processes.indices(len(self.stimuli))
        metrics = self.processes.gather([self._score_image(index) for index in indices], len(self.stimuli))
        return {name: np.array([image_metrics[name] for image_metrics in metrics]) for name in metrics[0]}

    def mean_log_density(self, index: int) -> np.ndarray:
        """Return the log-density of an image, or the logarithm of the mean over its histories, float64 `[h, w]`."""
        log_densities = self.predict(index).log_densities.astype(np.float64)
        if log_densities.ndim == 2:
            log_densities = log_densities[None]
        mean: np.ndarray = np.log(np.exp(log_densities).mean(axis=0))
        return mean

    def _score_image(self, index: int) -> dict[str, float]:
        baseline = self.prior.log_density(cell_grid(self.stimuli.shapes[index]))
        return score(self.predict(index), baseline, self.data.degree)

    def _scored_fixations(self, index: int) -> Fixations:
        """Return all fixations of an image; with histories `data.scored_fixations` of them, evenly chosen."""
        number = self.data.scored_fixations if self.net.conditional else 0
        return select_scored(self.stimuli.fixations[index], number)

    @torch.no_grad()
    def _log_densities(self, index: int, fixations: Fixations) -> Iterator[np.ndarray]:
        """Yield float32 `[n, h, w]`: one density, or those of the fixations, a few at a time."""
        shape = self.stimuli.shapes[index]
        bias = (
            np.zeros(cell_grid(shape)) if self.centre_bias is None else self.centre_bias.log_density(cell_grid(shape))
        )
        bias_maps = torch.from_numpy(bias.astype(np.float32))[None].to(self.device)
        maps = self.features([index])
        histories: tuple[torch.Tensor | None, ...] = (None,)
        if self.net.conditional:
            histories = torch.from_numpy(fixations.history).to(self.device)[None].split(_CHUNK, dim=1)
        for history in histories:
            yield self.net(maps, shape, bias_maps, history)[0].cpu().numpy()
