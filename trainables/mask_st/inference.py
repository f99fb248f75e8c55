"""A trained mask_st on an image: probabilities of the findings, and the mask. Needs the exported folder and no data.

from trainables.mask_st.inference import Predictor
prediction = Predictor.load("export/NAME")("image.png")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from trainables.export.opened import Export
from trainables.images.augment import normalise
from trainables.images.squares import read_image
from trainables.mask_st import sampling
from trainables.mask_st.config import Config, Data
from trainables.mask_st.masks import MaskSource
from trainables.mask_st.model import build_networks, name_networks


class Prediction(NamedTuple):
    """The prediction for one image.

    Attributes:
        probabilities: of each finding in the whole image, by name.
        mask: bool `[S, S]`, the pixels of the square image that the mask keeps; None of a model without a generator.
    """

    probabilities: dict[str, float]
    mask: np.ndarray | None


class Predictor:
    """Classifier and generator of an export, in evaluation mode.

    Attributes:
        classes: names of the findings, in the order of the network's outputs.
        pixels: channels of an image, and the mean and standard deviation that normalise it.
    """

    def __init__(self, config: Config, facts: Mapping[str, Any], device: torch.device) -> None:
        self.config, self.device = replace(config, weights="none"), device  # the export's weights follow
        self.classes = tuple(facts["classes"])
        self.pixels: Mapping[str, Any] = facts["pixels"]
        self.classifier, self.generator = build_networks(
            self.config, int(self.pixels["channels"]), len(self.classes), device
        )
        self.source = MaskSource(self.config, self.generator)

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Predictor:
        """Load the model of a folder that `analysis.export` or `trainables.train` wrote.

        Raises:
            UsageError: the folder is no export of mask_st.
        """
        export = Export.open(folder, Config, Data)
        predictor = cls(export.config, export.facts, torch.device(device))
        export.load_weights(name_networks(predictor.classifier, predictor.generator))
        return predictor

    @torch.no_grad()
    def __call__(self, image: str | Path) -> Prediction:
        """Read an image file of any size, and predict its findings and its mask.

        Raises:
            UsageError: the file is missing or damaged.
        """
        for network in name_networks(self.classifier, self.generator).values():
            network.eval()
        size, channels = self.config.image_size, int(self.pixels["channels"])
        pixels = torch.tensor(read_image(Path(image), size, channels), device=self.device)
        batch = normalise(pixels[None], self.pixels["mean"], self.pixels["std"])
        scores = self.classifier(batch).sigmoid()[0].tolist()
        probabilities = dict(zip(self.classes, scores, strict=True))
        if self.generator is None:
            return Prediction(probabilities, None)
        _, mask = self.source.deploy(self.source.logits(batch), None)
        return Prediction(probabilities, (sampling.to_pixels(mask, size)[0, 0] > 0).cpu().numpy())
