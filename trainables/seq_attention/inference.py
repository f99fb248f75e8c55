"""A trained seq_attention on an image file: its objects, one after the other. Needs the exported folder and no data.

from trainables.seq_attention.inference import Predictor
objects = Predictor.load("export/NAME")("image.jpg")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from trainables.export.opened import Export
from trainables.images.cache import decode_file
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.letterbox import decode
from trainables.seq_attention.locator import NetworkLocator
from trainables.seq_attention.model import Network
from trainables.seq_attention.rollout import roll_out


class Objects(NamedTuple):
    """The objects of one image, in the order of the visits.

    Attributes:
        points: float64 `[n, 2]`, x and y in pixels of the file, 0 being the edge of its first pixel.
        done: the last done signal, 0 to 1.
        complete: whether it reached the threshold; else the roll-out came to its limit: do not trust the count.
    """

    points: np.ndarray
    done: float
    complete: bool


class Predictor:
    """The network of an export, in evaluation mode, with the threshold that its calibration images chose.

    Attributes:
        threshold: the done signal at which counting ends.
        limit: of visits.
    """

    def __init__(self, config: Config, facts: Mapping[str, Any], threshold: float, device: torch.device) -> None:
        self.config, self.device, self.threshold = replace(config, weights="none"), device, threshold
        self.limit = int(facts["rollout_limit"])
        self.net = Network(self.config).to(device)  # with random weights, which `load` replaces

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Predictor:
        """Load the model of a folder that `analysis.export` or `trainables.train` wrote.

        Raises:
            UsageError: the folder is no export of seq_attention.
        """
        export = Export.open(folder, Config, Data)
        threshold = export.report["val/rollout_threshold"]
        predictor = cls(export.config, export.facts, threshold, torch.device(device))
        export.load_weights(predictor.net.parts())
        return predictor

    def __call__(self, image: str | Path, threshold: float | None = None) -> Objects:
        """Read an image file and count its objects; another threshold may be given.

        Points are in the pixels that are stored: an orientation that the file asks for (EXIF) is not applied.

        Raises:
            UsageError: the file is missing or damaged.
        """
        threshold = self.threshold if threshold is None else threshold
        picture = decode_file(Path(image), partial(decode, side=self.config.image_size))
        sizes = np.array([picture.size])
        locate = NetworkLocator(self.net, self.config, lambda _: np.array(picture.pixels)[None], sizes, self.device)
        (rollout,) = roll_out(locate, [0], self.limit, 1, threshold)
        return Objects(rollout.points, float(rollout.done[-1]), bool(rollout.done[-1] >= threshold))
