"""Maps of the frozen backbone: computed once into a folder that all trials map into memory, or in every step.

Both ways are the same numbers, bit for bit, on the same kind of machine. Another kind adds in another order;
`prepare_features` computes one image anew whenever it opens a folder, and refuses one that holds something else.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from trainables.entropy_reg import backbones
from trainables.entropy_reg.backbones import Backbone, exact_arithmetic
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.split import Stimuli
from trainables.images.cache import build_once, map_in_threads
from trainables.processes import pick_device
from trainables.settings import Notice, UsageError

_CLOSE = 1e-3  # of the largest value: the order of additions makes a thousandth of this


class Features(Protocol):
    """The maps of images of one shape by their places, one `[b, C, h, w]` per layer, float32 on a device."""

    def __call__(self, places: Sequence[int]) -> list[Tensor]: ...  # noqa: D102


class Cached:
    """Maps that were computed before.

    Args:
        folder: that `compute_once` has filled.
        device: on which they are wanted.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._device = device
        self._shapes = [
            [tuple(layer) for layer in image]
            for image in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        ]
        self._values = np.memmap(folder / "maps.bin", np.float32, mode="r")

    def __call__(self, places: Sequence[int]) -> list[Tensor]:
        """The maps of some images."""
        images = [self.of(place) for place in places]
        return [torch.from_numpy(np.stack(layer)).to(self._device) for layer in zip(*images, strict=True)]

    def of(self, place: int) -> list[np.ndarray]:
        """The maps of one image, each float32 `[C, h, w]`, read-only."""
        found, first = [], int(self._starts[place])
        for shape in self._shapes[place]:
            found.append(self._values[first : first + math.prod(shape)].reshape(shape))
            first += math.prod(shape)
        return found

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *(sum(map(math.prod, image)) for image in self._shapes)], dtype=np.int64)


class Live:
    """Maps that are computed whenever they are asked for: what training costs without the cache."""

    def __init__(self, backbone: Backbone, pixels: Sequence[np.ndarray], device: torch.device, margin: int) -> None:
        self._backbone, self._pixels = backbone, pixels
        self._device, self._margin = device, margin

    def __call__(self, places: Sequence[int]) -> list[Tensor]:
        """The maps of some images."""
        with exact_arithmetic():
            images = [self._backbone(self._pixels[place], self._device, self._margin) for place in places]
        return [torch.stack(layer) for layer in zip(*images, strict=True)]


def split_features(config: Config, data: Data, stimuli: Stimuli, device: torch.device) -> Features:
    """The maps of a split's images, as `data.features` wants them."""
    return pixel_features(config, data, stimuli.key, stimuli.pixels, device)


def pixel_features(
    config: Config,
    data: Data,
    key: Sequence[object],
    pixels: Sequence[np.ndarray],
    device: torch.device,
    margin: int = 0,
) -> Features:
    """The maps of any images; the same `key` always has the same pixels. `margin` as `Backbone` has it."""
    backbone = backbones.load_backbone(config)
    if data.features == "live":
        return Live(backbone, pixels, device, margin)
    folder = compute_once(backbone, key, pixels, Path(data.cache).expanduser(), margin)
    return Cached(folder, device)


def prepare_features(config: Config, data: Data, stimuli: Sequence[Stimuli]) -> None:
    """Compute the maps of some splits, with a progress bar, and see that those that were there are the backbone's.

    Raises:
        UsageError: as `backbones.check_layers` does, or maps of other pixels or weights.
    """
    backbones.check_layers(config, stimuli[0].pixels[0])
    backbone = backbones.load_backbone(config)
    for each in stimuli if data.features == "cached" else []:
        folder = compute_once(backbone, each.key, each.pixels, Path(data.cache).expanduser(), 0)
        difference = largest_deviation(Cached(folder, torch.device("cpu")), backbone, each.pixels, len(each) // 2)
        if not difference <= _CLOSE:  # which NaN is not
            raise UsageError(f"{folder} holds other features than the backbone gives: remove it; it is made again.")
        if difference > 0:
            warnings.warn(
                f"{folder} was made on another kind of machine: its features differ by up to {difference:.1e} of the "
                "largest one from those made here.",
                Notice,
                stacklevel=2,
            )


def largest_deviation(cached: Cached, backbone: Backbone, pixels: Sequence[np.ndarray], place: int) -> float:
    """Between the kept maps of an image and those computed now, as a share of the largest value; 0: bit for bit."""
    with exact_arithmetic():
        now = [each.cpu().numpy() for each in backbone(pixels[place], pick_device("auto"))]
    kept = cached.of(place)
    if [each.shape for each in now] != [each.shape for each in kept]:
        return math.inf
    differences = [
        np.abs(one - other).max() / max(1e-12, np.abs(one).max()) for one, other in zip(now, kept, strict=True)
    ]
    return float(np.max(differences))  # NumPy's, which is NaN if one of them is


def compute_once(
    backbone: Backbone, key: Sequence[object], pixels: Sequence[np.ndarray], cache: Path, margin: int
) -> Path:
    """The folder of the maps, filled where it was not there."""
    name = hashlib.sha256(json.dumps([backbone.digest, margin, *key]).encode()).hexdigest()[:32]
    return build_once(cache / f"features-{name}", partial(_write, backbone=backbone, pixels=pixels, margin=margin))


def _write(folder: Path, backbone: Backbone, pixels: Sequence[np.ndarray], margin: int) -> None:
    shapes = []
    with (folder / "maps.bin").open("wb") as stream:
        for maps in _all_maps(backbone, pixels, margin):
            shapes.append([each.shape for each in maps])
            for each in maps:
                stream.write(each.tobytes())
        stream.flush()
        os.fsync(stream.fileno())
    (folder / "manifest.json").write_text(json.dumps(shapes), encoding="utf-8")


def _all_maps(backbone: Backbone, pixels: Sequence[np.ndarray], margin: int) -> Iterator[list[np.ndarray]]:
    device = pick_device("auto")

    def work(image: np.ndarray) -> list[np.ndarray]:
        torch.set_num_threads(1)  # of this thread: see `backbones`
        return [each.cpu().numpy() for each in backbone(image, device, margin)]

    with exact_arithmetic():
        yield from map_in_threads(work, pixels, "features of the frozen backbone")
    if device.type == "cuda":
        torch.cuda.empty_cache()  # trials share the GPU with this process
