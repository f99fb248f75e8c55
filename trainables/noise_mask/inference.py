"""A trained noise_mask on an image, without masks: its class. Needs the exported folder and no data.

from trainables.noise_mask.inference import Classifier
probabilities = Classifier.load("export/NAME")("image.png")
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open

from trainables.export.recipe import Recipe
from trainables.files import CONFIG, METRICS, WEIGHTS
from trainables.images.squares import read_image, square
from trainables.noise_mask.config import Config
from trainables.noise_mask.model import Standard, classifier
from trainables.settings import UsageError
from trainables.training.weights import load_modules


class Classifier:
    """The classifier of an export, in evaluation mode; the policy is of no use after training.

    Attributes:
        classes: the names, in the order of the network's outputs.
    """

    def __init__(self, config: Config, facts: Mapping[str, Any], device: torch.device) -> None:
        self.config, self.device = replace(config, weights="none"), device
        self.classes = tuple(facts["classes"])
        self.net = classifier(self.config, len(self.classes)).to(device).eval()  # random weights; the export's follow
        self.standard = Standard().to(device)

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Classifier:
        """The model of a folder that `analysis.export` or `trainables.train` wrote."""
        folder = Path(folder)
        config = Recipe.read(folder / CONFIG, {}, {}).config
        assert isinstance(config, Config)  # for the type checker: the folder is one of noise_mask
        facts = json.loads((folder / METRICS).read_text(encoding="utf-8"))["facts"]
        model = cls(config, facts, torch.device(device))
        with safe_open(folder / WEIGHTS, framework="pt") as weights:
            if weights.get_tensor("progress.heated"):
                raise UsageError(
                    f"{folder} was stopped under masks, and its figures are of a copy that was not kept: train it to "
                    f"its end with python -m trainables.train config={folder / CONFIG}."
                )
        load_modules(folder / WEIGHTS, {"classifier": model.net, "standard": model.standard})
        return model

    @torch.no_grad()
    def __call__(self, image: str | Path | np.ndarray) -> dict[str, float]:
        """Each class's probability, the likeliest first.

        Args:
            image: a file of any size; or what is in one, `[H, W]`, `[H, W, 1]` or uint8 `[H, W, 3]`. Grey values of
                more than 8 bits are stretched from their own range, as those of files are.

        Raises:
            UsageError: a missing or damaged file, or an array that is no image.
        """
        size, channels = self.config.image_size, self.config.channels
        pixels = _square(image, size, channels) if isinstance(image, np.ndarray) else _read(image, size, channels)
        batch = torch.tensor(pixels, device=self.device).permute(2, 0, 1)[None].float() / 255
        probabilities = self.net(self.standard(batch)).double().softmax(dim=1)[0].tolist()
        ranked = sorted(zip(self.classes, probabilities, strict=True), key=lambda each: -each[1])
        return dict(ranked)


def _read(image: str | Path, size: int, channels: int) -> np.ndarray:
    return read_image(Path(image), size, channels)


def _square(array: np.ndarray, size: int, channels: int) -> np.ndarray:
    """As `read_image` of a file that holds it."""
    described = f"an array {list(array.shape)} of {array.dtype}"
    if array.size == 0 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,)):
        raise UsageError(f"{described} is no image: give [H, W], [H, W, 1] or [H, W, 3].")
    grey = array[..., 0] if array.shape[2:] == (1,) else array
    try:
        image = Image.fromarray(grey.astype(np.float32) if grey.dtype.kind == "f" else grey)
        return square(image, size, channels).reshape(size, size, channels)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{described} cannot be read: {error}; give uint8.") from error
