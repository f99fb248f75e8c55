"""Maps of the frozen backbone: computed once into a folder that all trials map into memory, or in every step.

Both ways are the same numbers, bit for bit, on the same kind of machine. Another kind adds in another order;
`prepare_features` computes one image again whenever it opens a folder, and refuses other maps than the backbone's.
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
    """The maps of images of one shape by their indices, one `[b, C, h, w]` per layer, float32 on a device."""

    def __call__(self, indices: Sequence[int]) -> list[Tensor]: ...  # noqa: D102


class CachedFeatures:
    """Maps that were computed before.

    Args:
        folder: that `compute_once` has filled.
        device: of the maps that are returned.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._device = device
        self._shapes = [
            [tuple(layer) for layer in image]
            for image in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        ]
        self._values = np.memmap(folder / "maps.bin", np.float32, mode="r")

    def __call__(self, indices: Sequence[int]) -> list[Tensor]:
        """Read the maps of some images."""
        images = [self.read(index) for index in indices]
        return [torch.from_numpy(np.stack(layer)).to(self._device) for layer in zip(*images, strict=True)]

    def read(self, index: int) -> list[np.ndarray]:
        """Read the maps of one image, each float32 `[C, h, w]`, read-only."""
        maps, start = [], int(self._starts[index])
        for shape in self._shapes[index]:
            maps.append(self._values[start : start + math.prod(shape)].reshape(shape))
            start += math.prod(shape)
        return maps

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *(sum(map(math.prod, image)) for image in self._shapes)], dtype=np.int64)


class LiveFeatures:
    """Maps that are computed at every call, as in a training without the cache."""

    def __init__(self, backbone: Backbone, pixels: Sequence[np.ndarray], device: torch.device, margin: int) -> None:
        self._backbone, self._pixels = backbone, pixels
        self._device, self._margin = device, margin

    def __call__(self, indices: Sequence[int]) -> list[Tensor]:
        """Compute the maps of some images."""
        with exact_arithmetic():
            images = [self._backbone(self._pixels[index], self._device, self._margin) for index in indices]
        return [torch.stack(layer) for layer in zip(*images, strict=True)]


def split_features(config: Config, data: Data, stimuli: Stimuli, device: torch.device) -> Features:
    """Return the maps of a split's images, cached or live as `data.features` says."""
    return pixel_features(config, data, stimuli.key, stimuli.pixels, device)


def pixel_features(
    config: Config,
    data: Data,
    key: Sequence[object],
    pixels: Sequence[np.ndarray],
    device: torch.device,
    margin: int = 0,
) -> Features:
    """Return the maps of any images; the same `key` always has the same pixels. `margin` as `Backbone` has it."""
    backbone = backbones.load_backbone(config)
    if data.features == "live":
        return LiveFeatures(backbone, pixels, device, margin)
    folder = compute_once(backbone, key, pixels, Path(data.cache).expanduser(), margin)
    return CachedFeatures(folder, device)


def prepare_features(config: Config, data: Data, stimuli: Sequence[Stimuli]) -> None:
    """Compute the maps of some splits, with a progress bar, and see that maps in the cache are the backbone's.

    Raises:
        UsageError: as `backbones.check_layers` does, or maps of other pixels or weights.
    """
    backbones.check_layers(config, stimuli[0].pixels[0])
    backbone = backbones.load_backbone(config)
    for split in stimuli if data.features == "cached" else []:
        folder = compute_once(backbone, split.key, split.pixels, Path(data.cache).expanduser(), 0)
        difference = largest_deviation(
            CachedFeatures(folder, torch.device("cpu")), backbone, split.pixels, len(split) // 2
        )
        if not difference <= _CLOSE:  # which NaN is not
            raise UsageError(f"{folder} holds other features than the backbone gives: remove it; it is made again.")
        if difference > 0:
            warnings.warn(
                f"{folder} was made on another kind of machine: its features differ by up to {difference:.1e} of the "
                "largest one from those made here.",
                Notice,
                stacklevel=2,
            )


def largest_deviation(cache: CachedFeatures, backbone: Backbone, pixels: Sequence[np.ndarray], index: int) -> float:
    """Compare the cached maps of an image with live ones.

    Returns:
        The largest deviation, as a share of the largest value; 0: bit for bit the same; inf: of other shapes.
    """
    with exact_arithmetic():
        live_maps = [layer.cpu().numpy() for layer in backbone(pixels[index], pick_device("auto"))]
    cached_maps = cache.read(index)
    if [layer.shape for layer in live_maps] != [layer.shape for layer in cached_maps]:
        return math.inf
    deviations = [
        np.abs(live - stored).max() / max(1e-12, np.abs(live).max())
        for live, stored in zip(live_maps, cached_maps, strict=True)
    ]
    return float(np.max(deviations))  # NumPy's, which is NaN if one of them is


def compute_once(
    backbone: Backbone, key: Sequence[object], pixels: Sequence[np.ndarray], cache: Path, margin: int
) -> Path:
    """Compute maps into a folder of the cache, unless they are there, and return the folder."""
    name = hashlib.sha256(json.dumps([backbone.digest, margin, *key]).encode()).hexdigest()[:32]
    return build_once(cache / f"features-{name}", partial(_write, backbone=backbone, pixels=pixels, margin=margin))


def _write(folder: Path, backbone: Backbone, pixels: Sequence[np.ndarray], margin: int) -> None:
    shapes = []
    with (folder / "maps.bin").open("wb") as stream:
        for maps in _compute_maps(backbone, pixels, margin):
            shapes.append([layer.shape for layer in maps])
            for layer in maps:
                stream.write(layer.tobytes())
        stream.flush()
        os.fsync(stream.fileno())
    (folder / "manifest.json").write_text(json.dumps(shapes), encoding="utf-8")


def _compute_maps(backbone: Backbone, pixels: Sequence[np.ndarray], margin: int) -> Iterator[list[np.ndarray]]:
    device = pick_device("auto")

    def work(image: np.ndarray) -> list[np.ndarray]:
        torch.set_num_threads(1)  # of this thread: see `backbones`
        return [layer.cpu().numpy() for layer in backbone(image, device, margin)]

    with exact_arithmetic():
        yield from map_in_threads(work, pixels, "features of the frozen backbone")
    if device.type == "cuda":
        torch.cuda.empty_cache()  # trials share the GPU with this process
