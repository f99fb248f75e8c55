"""A trained mask_st on images: probabilities of the findings, and the mask. Needs the exported folder and no data.

from trainables.mask_st.inference import Predictor
found = Predictor.load("export/NAME")(["image.png"])
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from trainables.export.recipe import Recipe
from trainables.files import CONFIG, METRICS, WEIGHTS
from trainables.images.augment import normalised
from trainables.images.squares import read_image
from trainables.mask_st import sampling
from trainables.mask_st.config import Config
from trainables.mask_st.masks import MaskSource
from trainables.mask_st.model import networks, trained
from trainables.training.weights import load_modules


class Found(NamedTuple):
    """What a model finds in N images.

    Attributes:
        probabilities: float32 `[N, K]`, of each finding in the whole image.
        classes: the K names.
        masks: bool `[N, S, S]`, the pixels that the mask keeps; None of a model without a generator.
    """

    probabilities: np.ndarray
    classes: tuple[str, ...]
    masks: np.ndarray | None


class Predictor:
    """Classifier and generator of an export, in evaluation mode."""

    def __init__(self, config: Config, facts: Mapping[str, Any], device: torch.device) -> None:
        self.config, self.device = config, device
        self.classes = tuple(facts["classes"])
        self.pixels: Mapping[str, Any] = facts["pixels"]
        self.classifier, self.generator = networks(
            replace(config, weights="none"),  # the export's follow
            int(self.pixels["channels"]),
            len(self.classes),
            device,
        )
        self.source = MaskSource(config, self.generator)

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Predictor:
        """The model of a folder that `analysis.export` or `trainables.train` wrote."""
        folder = Path(folder)
        config = Recipe.read(folder / CONFIG, {}, {}).config
        assert isinstance(config, Config)  # for the type checker: the folder is one of mask_st
        facts = json.loads((folder / METRICS).read_text(encoding="utf-8"))["facts"]
        model = cls(config, facts, torch.device(device))
        load_modules(folder / WEIGHTS, trained(model.classifier, model.generator))
        return model

    @torch.no_grad()
    def __call__(self, images: Sequence[str | Path]) -> Found:
        """Read some image files and say what is in them."""
        for module in trained(self.classifier, self.generator).values():
            module.eval()
        size, channels = self.config.image_size, int(self.pixels["channels"])
        pixels = np.stack([read_image(Path(image), size, channels) for image in images])
        batch = normalised(torch.from_numpy(pixels).to(self.device), self.pixels["mean"], self.pixels["std"])
        probabilities = self.classifier(batch).sigmoid().cpu().numpy()
        if self.generator is None:
            return Found(probabilities, self.classes, None)
        _, mask = self.source.deployed(self.source.logits(batch), None)
        return Found(probabilities, self.classes, (sampling.to_pixels(mask, size)[:, 0] > 0).cpu().numpy())
