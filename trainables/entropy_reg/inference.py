"""A trained entropy_reg on an image file: where people look. Needs the exported folder, the backbone, and no data.

from trainables.entropy_reg.inference import Predictor
log_density = Predictor.load("export/NAME")("image.jpg")
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.entropy_reg.backbones import exact_arithmetic, load_backbone
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.decoding import decode_image
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.prior import Prior
from trainables.entropy_reg.scanpaths import HISTORY
from trainables.entropy_reg.split import Shape, cell_grid
from trainables.export.opened import Export
from trainables.images.cache import decode_file
from trainables.settings import UsageError


class Predictor:
    """The model of an export, in evaluation mode, with the centre bias of the fixations that it was trained on."""

    def __init__(self, config: Config, facts: Mapping[str, Any], device: torch.device) -> None:
        self.config, self.device = config, device
        self._backbone = load_backbone(config)
        if self._backbone.digest != facts["backbone"]["digest"]:
            raise UsageError(
                f"backbone={config.backbone} weights={config.weights} is not the network that this model was trained "
                "on: give it the same weights."
            )
        self.net = DeepGaze(facts["backbone"]["channels"], config).to(device).eval()
        self.prior = Prior().to(device)

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Predictor:
        """Load the model of a folder that `analysis.export` or `trainables.train` wrote.

        Raises:
            UsageError: the folder is no export of entropy_reg, or the backbone's weights are not those that the model
                was trained on.
        """
        export = Export.open(folder, Config, Data)
        predictor = cls(export.config, export.facts, torch.device(device))
        export.load_weights({**predictor.net.parts(), "prior": predictor.prior})
        return predictor

    @torch.no_grad()
    def __call__(
        self,
        image: str | Path,
        history: np.ndarray | None = None,
        centre_bias: Literal["trained", "uniform"] | np.ndarray = "trained",
    ) -> np.ndarray:
        """Predict the log-density of the next fixation, nats per pixel of the file, float32 `[H, W]`; exp sums to 1.

        Args:
            image: a file of any size.
            history: `[n, 2]`, x and y in pixels of the file of the fixations so far, the last one last; of a spatial
                model, none.
            centre_bias: that of the training's fixations; uniform; or another log-density `[h, w]` of any size, of your
                own viewers for example: `CentreBias.fit(…).log_density((h, w))`.

        Raises:
            UsageError: a missing or damaged file, or a history that does not fit the model.
        """
        picture = decode_file(Path(image), partial(decode_image, size=self.config.image_size, shape=self.config.shape))
        shape = (picture.pixels.shape[0], picture.pixels.shape[1])
        width, height = picture.size
        with exact_arithmetic():
            maps = self._backbone(picture.pixels, self.device)
        bias = self._centre_bias(centre_bias, cell_grid(shape))[None]
        slots = self._history(history, np.array([shape[1] / width, shape[0] / height]))
        log_density = self.net([layer[None] for layer in maps], shape, bias, slots)
        pixels = F.interpolate(log_density, (height, width))[0, 0]
        return pixels.flatten().log_softmax(dim=0).view(height, width).cpu().numpy()

    def _centre_bias(self, centre_bias: str | np.ndarray, size: Shape) -> Tensor:
        if isinstance(centre_bias, np.ndarray):
            maps = torch.from_numpy(centre_bias)[None, None].float()
            bias = F.interpolate(maps, size, mode="bilinear")[0, 0].to(self.device)
            return bias.flatten().log_softmax(dim=0).view(size)
        if centre_bias == "uniform" or self.config.centre_bias == "uniform":
            return torch.zeros(size, device=self.device)
        return self.prior.resize(size)

    def _history(self, history: np.ndarray | None, factor: np.ndarray) -> Tensor | None:
        """Scale a history to pixels of the network's image, the last fixation first: `[1, 1, 4, 2]`."""
        if not self.net.conditional:
            if history is not None:
                raise UsageError("this is a spatial model, which takes no history: train one with history=real.")
            return None
        points = np.zeros((0, 2)) if history is None else np.asarray(history, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise UsageError(f"the history is {list(points.shape)} numbers: give one row of x and y for each fixation.")
        slots = np.full((HISTORY, 2), np.nan, np.float32)
        recent = points[::-1][:HISTORY]
        slots[: len(recent)] = recent * factor
        return torch.from_numpy(slots)[None, None].to(self.device)
