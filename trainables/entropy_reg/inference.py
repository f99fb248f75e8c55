"""A trained entropy_reg on an image file: where people look. Needs the exported folder, the backbone, and no data.

from trainables.entropy_reg.inference import Gaze
log_density = Gaze.load("export/NAME")("image.jpg")
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.entropy_reg import backbones
from trainables.entropy_reg.backbones import exactly
from trainables.entropy_reg.config import Config
from trainables.entropy_reg.data import decode
from trainables.entropy_reg.model import DeepGaze
from trainables.entropy_reg.prior import Prior
from trainables.entropy_reg.scanpaths import HISTORY
from trainables.entropy_reg.stimuli import Shape, cells
from trainables.export.recipe import Recipe
from trainables.files import CONFIG, METRICS, WEIGHTS
from trainables.images.cache import decode_file
from trainables.settings import UsageError
from trainables.training.weights import load_modules


class Gaze:
    """The model of an export, in evaluation mode, with the centre bias of the fixations that it was trained on."""

    def __init__(self, config: Config, facts: Mapping[str, Any], device: torch.device) -> None:
        self.config, self.device = config, device
        self._backbone = backbones.of(config)
        if self._backbone.digest != facts["backbone"]["digest"]:
            raise UsageError(
                f"backbone={config.backbone} weights={config.weights} is not the network that this model was trained "
                "on: give it the same weights."
            )
        self.net = DeepGaze(facts["backbone"]["channels"], config).to(device).eval()
        self.prior = Prior().to(device)

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Gaze:
        """The model of a folder that `analysis.export` or `trainables.train` wrote.

        Raises:
            UsageError: the backbone's weights are not those that it was trained on.
        """
        folder = Path(folder)
        config = Recipe.read(folder / CONFIG, {}, {}).config
        assert isinstance(config, Config)  # for the type checker: the folder is one of entropy_reg
        facts = json.loads((folder / METRICS).read_text(encoding="utf-8"))["facts"]
        gaze = cls(config, facts, torch.device(device))
        load_modules(folder / WEIGHTS, {**gaze.net.parts(), "prior": gaze.prior})
        return gaze

    @torch.no_grad()
    def __call__(
        self,
        image: str | Path,
        history: np.ndarray | None = None,
        centre_bias: Literal["trained", "uniform"] | np.ndarray = "trained",
    ) -> np.ndarray:
        """The log-density of the next fixation, nats per pixel of the file, float32 `[H, W]`; its exp sums to 1.

        Args:
            image: a file of any size.
            history: `[n, 2]`, x and y in pixels of the file of the fixations so far, the last one last; of a spatial
                model, none.
            centre_bias: that of the training's fixations; uniform; or another log-density `[h, w]` of any size, of your
                own viewers for example: `CentreBias.fitted(…).log_density((h, w))`.

        Raises:
            UsageError: a missing or damaged file, or a history that does not fit the model.
        """
        decoded = decode_file(Path(image), partial(decode, size=self.config.image_size, shape=self.config.shape))
        shape = (decoded.pixels.shape[0], decoded.pixels.shape[1])
        width, height = decoded.size
        with exactly():
            maps = self._backbone(decoded.pixels, self.device)
        shown = self._centre_bias(centre_bias, cells(shape))[None]
        past = self._past(history, np.array([shape[1] / width, shape[0] / height]))
        found = self.net([each[None] for each in maps], shape, shown, past)
        enlarged = F.interpolate(found, (height, width))[0, 0]
        return enlarged.flatten().log_softmax(dim=0).view(height, width).cpu().numpy()

    def _centre_bias(self, given: str | np.ndarray, size: Shape) -> Tensor:
        if isinstance(given, np.ndarray):
            resized = F.interpolate(torch.from_numpy(given)[None, None].float(), size, mode="bilinear")[0, 0]
            return resized.to(self.device).flatten().log_softmax(dim=0).view(size)
        if given == "uniform" or self.config.centre_bias == "uniform":
            return torch.zeros(size, device=self.device)
        return self.prior.on(size)

    def _past(self, history: np.ndarray | None, factor: np.ndarray) -> Tensor | None:
        """`[1, 1, 4, 2]` in pixels of the network's image, the last one first."""
        if not self.net.conditional:
            if history is not None:
                raise UsageError("this is a spatial model, which takes no history: train one with history=real.")
            return None
        given = np.zeros((0, 2)) if history is None else np.asarray(history, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != 2:
            raise UsageError(f"the history is {list(given.shape)} numbers: give one row of x and y for each fixation.")
        slots = np.full((HISTORY, 2), np.nan, np.float32)
        last = given[::-1][:HISTORY]
        slots[: len(last)] = last * factor
        return torch.from_numpy(slots)[None, None].to(self.device)
