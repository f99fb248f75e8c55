"""A trained unet_selftrain on micrographs: picked particles. Needs the exported folder and no data.

from trainables.unet_selftrain.inference import Picker
found = Picker.load("export/NAME")("micrograph.mrc")
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from trainables.export.recipe import Recipe
from trainables.files import CONFIG, METRICS, WEIGHTS
from trainables.training.weights import load_modules
from trainables.unet_selftrain import scoring
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.micrographs import stored, z_score
from trainables.unet_selftrain.model import network, stride
from trainables.unet_selftrain.reading import read_micrograph
from trainables.unet_selftrain.tiling import probabilities


class Particles(NamedTuple):
    """What is picked in one micrograph, the surest first.

    Attributes:
        points: float64 `[n, 2]`, x and y in pixels of the file.
        scores: float64 `[n]`, 0 to 1.
    """

    points: np.ndarray
    scores: np.ndarray


class Picker:
    """The network of an export, in evaluation mode, with the threshold that its calibration micrographs chose.

    Attributes:
        threshold: the score from which a particle is picked.
        radius: of a particle, in pixels of the file.
    """

    def __init__(self, config: Config, radius: float, threshold: float, device: torch.device) -> None:
        self.config, self.radius, self.threshold, self.device = config, radius, threshold, device
        self.net = network(replace(config, weights="none"), device)  # the export's follow

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Picker:
        """The model of a folder that `analysis.export` or `trainables.train` wrote."""
        folder = Path(folder)
        recipe = Recipe.read(folder / CONFIG, {}, {})
        assert isinstance(recipe.config, Config)  # for the type checker: the folder is one of unet_selftrain
        assert isinstance(recipe.data, Data)
        threshold = json.loads((folder / METRICS).read_text(encoding="utf-8"))["report"]["val/particle_threshold"]
        picker = cls(recipe.config, recipe.data.particle_radius, threshold, torch.device(device))
        load_modules(folder / WEIGHTS, {"unet": picker.net})
        return picker

    def __call__(self, micrograph: str | Path, threshold: float | None = None) -> Particles:
        """Read a micrograph (PNG, JPG, TIFF or MRC) and pick its particles; another threshold may be given.

        Raises:
            UsageError: it is missing or damaged.
        """
        side = self.config.downsample
        pixels, _ = read_micrograph(Path(micrograph), side)
        image = torch.from_numpy(z_score(pixels)).to(self.device)
        found = probabilities(self.net, image, self.config.inference_tile, stride(self.config)).cpu().numpy()
        picks = scoring.pick(found, self.radius / side, self.config)
        kept = picks.scores >= (self.threshold if threshold is None else threshold)
        return Particles(stored(picks.points[kept], side), picks.scores[kept])
