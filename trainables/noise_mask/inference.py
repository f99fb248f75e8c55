"""A trained noise_mask on an image, without masks: its class. Needs the exported folder and no data.

from trainables.noise_mask.inference import Predictor
probabilities = Predictor.load("export/NAME")("image.png")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from trainables.export.opened import Export
from trainables.files import CONFIG
from trainables.images.squares import read_image, to_square
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.model import Standardisation, build_classifier
from trainables.settings import UsageError


class Predictor:
    """The classifier of an export, in evaluation mode; the policy is of no use after training.

    Attributes:
        classes: the names, in the order of the network's outputs.
    """

    def __init__(self, config: Config, facts: Mapping[str, Any], device: torch.device) -> None:
        self.config, self.device = replace(config, weights="none"), device
        self.classes = tuple(facts["classes"])
        network = build_classifier(self.config, len(self.classes))  # with random weights; the export's follow
        self.network = network.to(device).eval()
        self.standard = Standardisation().to(device)

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Predictor:
        """Load the model of a folder that `analysis.export` or `trainables.train` wrote.

        Raises:
            UsageError: the folder is no export of noise_mask, or its training was stopped under masks.
        """
        export = Export.open(folder, Config, Data)
        if export.tensor("progress.heated"):
            raise UsageError(
                f"{folder} was stopped under masks, and its figures are of a copy that was not kept: train it to "
                f"its end with python -m trainables.train config={export.folder / CONFIG}."
            )
        predictor = cls(export.config, export.facts, torch.device(device))
        export.load_weights({"classifier": predictor.network, "standard": predictor.standard})
        return predictor

    @torch.no_grad()
    def __call__(self, image: str | Path | np.ndarray) -> dict[str, float]:
        """Return each class's probability, the likeliest first.

        Args:
            image: a file of any size; or an array as in one, `[H, W]`, `[H, W, 1]` or uint8 `[H, W, 3]`. Grey values of
                more than 8 bits are stretched from their own range, as those of files are.

        Raises:
            UsageError: a missing or damaged file, or an array that is no image.
        """
        size, channels = self.config.image_size, self.config.channels
        if isinstance(image, np.ndarray):
            pixels = _array_to_square(image, size, channels)
        else:
            pixels = read_image(Path(image), size, channels)
        batch = torch.tensor(pixels, device=self.device).permute(2, 0, 1)[None].float() / 255
        probabilities = self.network(self.standard(batch)).double().softmax(dim=1)[0].tolist()
        ranks = sorted(zip(self.classes, probabilities, strict=True), key=lambda pair: -pair[1])
        return dict(ranks)


def _array_to_square(array: np.ndarray, size: int, channels: int) -> np.ndarray:
    """Convert an array as `read_image` does a file that holds it."""
    description = f"an array {list(array.shape)} of {array.dtype}"
    if array.size == 0 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,)):
        raise UsageError(f"{description} is no image: give [H, W], [H, W, 1] or [H, W, 3].")
    grey = array[..., 0] if array.shape[2:] == (1,) else array
    try:
        image = Image.fromarray(grey.astype(np.float32) if grey.dtype.kind == "f" else grey)
        return to_square(image, size, channels).reshape(size, size, channels)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{description} cannot be read: {error}; give uint8.") from error
