"""A trained unet_selftrain on micrographs: picked particles. Needs the exported folder and no data.

from trainables.unet_selftrain.inference import Predictor
particles = Predictor.load("export/NAME")("micrograph.mrc")
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from trainables.export.opened import Export
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.downsampling import restore_points, z_score
from trainables.unet_selftrain.model import build_network, stride
from trainables.unet_selftrain.picking import pick_particles
from trainables.unet_selftrain.reading import read_micrograph
from trainables.unet_selftrain.tiling import predict_image


class Particles(NamedTuple):
    """Picks of one micrograph, the surest first.

    Attributes:
        points: float64 `[n, 2]`, x and y in pixels of the file.
        scores: float64 `[n]`, 0 to 1.
    """

    points: np.ndarray
    scores: np.ndarray


class Predictor:
    """The network of an export, in evaluation mode, with the threshold that its calibration micrographs chose.

    Attributes:
        threshold: the score from which a particle is picked.
        radius: of a particle, in pixels of the file.
    """

    def __init__(self, config: Config, radius: float, threshold: float, device: torch.device) -> None:
        self.config, self.radius, self.threshold, self.device = config, radius, threshold, device
        self.net = build_network(replace(config, weights="none"), device)  # those of the export replace them

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Predictor:
        """Load the model of a folder that `analysis.export` or `trainables.train` wrote.

        Raises:
            UsageError: the folder is no export of this variant.
        """
        export = Export.open(folder, Config, Data)
        threshold = export.report["val/particle_threshold"]
        predictor = cls(export.config, export.data.particle_radius, threshold, torch.device(device))
        export.load_weights({"unet": predictor.net})
        return predictor

    def __call__(self, image: str | Path, threshold: float | None = None) -> Particles:
        """Read a micrograph (PNG, JPG, TIFF or MRC) and pick its particles.

        Args:
            image: the file.
            threshold: score from which to pick; None: the model's own.

        Raises:
            UsageError: the file is missing or damaged.
        """
        downsample = self.config.downsample
        pixels, _ = read_micrograph(Path(image), downsample)
        scores = torch.from_numpy(z_score(pixels)).to(self.device)
        tile = self.config.inference_tile
        probabilities = predict_image(self.net, scores, tile, stride(self.config)).cpu().numpy()
        picks = pick_particles(probabilities, self.radius / downsample, self.config)
        accept = picks.scores >= (self.threshold if threshold is None else threshold)
        return Particles(restore_points(picks.points[accept], downsample), picks.scores[accept])
