"""A trained seq_attention on an image file: its objects, one after the other. Needs the exported folder and no data.

from trainables.seq_attention.inference import Counter
found = Counter.load("export/NAME")("image.jpg")
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from trainables.export.recipe import Recipe
from trainables.files import CONFIG, METRICS, WEIGHTS
from trainables.images.cache import decode_file
from trainables.seq_attention.asking import Asker
from trainables.seq_attention.config import Config
from trainables.seq_attention.framing import decode
from trainables.seq_attention.model import Network
from trainables.seq_attention.rollout import roll_out
from trainables.training.weights import load_modules


class Objects(NamedTuple):
    """What is found in one image, in the order of the visits.

    Attributes:
        points: float64 `[n, 2]`, x and y in pixels of the file, 0 being the edge of its first pixel.
        done: the last done signal, 0 to 1.
        ended: whether it reached the threshold; else the roll-out came to its limit, and the count cannot be trusted.
    """

    points: np.ndarray
    done: float
    ended: bool


class Counter:
    """The network of an export, in evaluation mode, with the threshold that its calibration images chose.

    Attributes:
        threshold: the done signal at which counting ends.
        limit: of visits.
    """

    def __init__(self, config: Config, facts: Mapping[str, Any], threshold: float, device: torch.device) -> None:
        self.config, self.device, self.threshold = replace(config, weights="none"), device, threshold
        self.limit = int(facts["rollout_limit"])
        self.net = Network(self.config).to(device)  # with random weights; the export's follow

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Counter:
        """The model of a folder that `analysis.export` or `trainables.train` wrote."""
        folder = Path(folder)
        config = Recipe.read(folder / CONFIG, {}, {}).config
        assert isinstance(config, Config)  # for the type checker: the folder is one of seq_attention
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        threshold = metrics["report"]["val/rollout_threshold"]
        counter = cls(config, metrics["facts"], threshold, torch.device(device))
        load_modules(folder / WEIGHTS, counter.net.parts())
        return counter

    def __call__(self, image: str | Path, threshold: float | None = None) -> Objects:
        """Read an image file and count its objects; another threshold may be given.

        Points are in the pixels that are stored: an orientation that the file asks for (EXIF) is not applied.

        Raises:
            UsageError: it is missing or damaged.
        """
        until = self.threshold if threshold is None else threshold
        picture = decode_file(Path(image), partial(decode, side=self.config.image_size))
        sizes = np.array([picture.stored])
        asker = Asker(self.net, self.config, lambda _: np.array(picture.pixels)[None], sizes, self.device)
        (path,) = roll_out(asker, [0], self.limit, 1, until)
        return Objects(path.points, float(path.done[-1]), bool(path.done[-1] >= until))
