"""From the network to the predictions of a split: probability maps, and their picks against the particles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from trainables.images.maxima import Picks
from trainables.processes import Processes
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.histogram import ScoreHistogram
from trainables.unet_selftrain.model import stride
from trainables.unet_selftrain.picking import pick_particles
from trainables.unet_selftrain.scoring import Prediction
from trainables.unet_selftrain.split import Micrographs
from trainables.unet_selftrain.targets import HALF, discs, render_particles
from trainables.unet_selftrain.tiling import predict_image


@dataclass(frozen=True)
class Judge:
    """The network as it is now; nothing is augmented, nothing drawn at random.

    Attributes:
        processes: that share the micrographs; all of them must call `predict`.
    """

    net: nn.Module
    config: Config
    device: torch.device
    processes: Processes

    def predict(self, micrographs: Micrographs) -> list[Prediction]:
        """Predict all micrographs, sharded over the processes, whose averages replace the network's buffers first."""
        self.processes.average_buffers([self.net])
        part = [
            pick_map(self.predict_map(micrographs, index), micrographs, index, self.config)
            for index in self.processes.indices(len(micrographs))
        ]
        return self.processes.gather(part, len(micrographs))

    def predict_map(self, micrographs: Micrographs, index: int) -> np.ndarray:
        """Predict the probabilities of one micrograph, float32 `[H, W]`."""
        image = torch.from_numpy(micrographs.image(index)).to(self.device)
        tile = self.config.inference_tile
        probabilities: np.ndarray = predict_image(self.net, image, tile, stride(self.config)).cpu().numpy()
        return probabilities

    def calibration_maps(self, micrographs: Micrographs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield each micrograph's probabilities, and where the target of all its particles is positive, bool."""
        for index in range(len(micrographs)):
            target = render_particles(micrographs, index, micrographs.particles(index), self.config)
            yield self.predict_map(micrographs, index), target >= HALF


def pick_map(probabilities: np.ndarray, micrographs: Micrographs, index: int, config: Config) -> Prediction:
    """Pick the particles of one micrograph's probability map `[H, W]`, and put them beside the truth."""
    truth, radius = micrographs.particles(index), micrographs.pixel_radius
    histogram = ScoreHistogram()
    histogram.add(probabilities, discs(probabilities.shape, micrographs.downsample_points(truth), radius))
    picks = pick_particles(probabilities, radius, config)
    picks = Picks(micrographs.restore_points(picks.points), picks.scores)
    return Prediction(picks, truth, micrographs.groups[index], histogram, micrographs.radius)
