"""The frozen backbone: an image in, the maps of its hooked layers out.

Every image goes through alone and on one thread, so that its maps are always the same numbers. In batches of another
size, or divided among other threads, convolutions add in another order. So threads work on whole images.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.entropy_reg.config import Config
from trainables.networks.pretrained import check_networks
from trainables.settings import UsageError, first_line

if TYPE_CHECKING:
    from trainables.networks.first_weights import FirstWeights

TINY = "tiny"
SEED = 0  # of random weights: not the training's, so that all trials share the features
_METHOD = "alone, float32, nearest 1"  # part of the digest: change it whenever the same weights would give other maps
_DEFAULT_LAYERS = {
    TINY: "1,2,3",
    # before the rectifier, which timm has inside of norm1
    "densenet201": "features.denseblock4.denselayer32.norm1.drop,features.denseblock4.denselayer32.conv1,"
    "features.denseblock4.denselayer31.conv2",
}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CHANNELS = (3, 24, 48, 64, 64)


class Backbone:
    """A network without gradients, of which some layers are read.

    Attributes:
        digest: names weights, layers and all else that decides the maps of an image.
        first_weights: that are from a file; None: they are random, or timm's.
    """

    def __init__(self, name: str, weights: str, layers: str, downsample: float) -> None:
        self.downsample = downsample
        self._network = _network(name, weights).eval().requires_grad_(False)
        self.first_weights: FirstWeights | None = getattr(self._network, "first_weights", None)
        self._layers = (_DEFAULT_LAYERS[name] if layers == "auto" else layers).replace(" ", "").split(",")
        self._outputs = threading.local()  # of the image that a thread is at
        for layer in self._layers:
            _module(self._network, layer, name).register_forward_hook(partial(_store, self._outputs, layer))
        self.digest = self._digest()

    def __call__(self, image: np.ndarray, device: torch.device, margin: int = 0) -> list[Tensor]:
        """Compute the maps of one image, each float32 `[C, h, w]`, on the device. Call it within `exact_arithmetic`.

        Args:
            image: uint8 `[H, W, 3]`.
            device: to compute them on; the backbone is moved there.
            margin: pixels by which the image is continued, mirrored, on all sides; their part of the maps is cut off.
        """
        # a copy: PyTorch needs writeable memory, and mapped arrays are read-only
        pixels = torch.from_numpy(np.array(image)).to(device).permute(2, 0, 1)[None].float() / 255
        mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (_MEAN, _STD))
        values = (pixels - mean) / std
        if margin:
            values = _mirror(values, margin)
        if self.downsample != 1:
            size = [math.floor(side / self.downsample) for side in values.shape[-2:]]
            values = F.interpolate(values, size=size, mode="nearest")
        maps = self._read(values)
        return [_cut_margin(layer, image.shape[:2], margin) for layer in maps] if margin else maps

    def _read(self, values: Tensor) -> list[Tensor]:
        with torch.no_grad(), torch.autocast(values.device.type, enabled=False):
            self._network.to(values.device)(values)
        return [getattr(self._outputs, layer) for layer in self._layers]

    def _digest(self) -> str:
        digest = hashlib.sha256(f"{_METHOD} {self._layers} {self.downsample}".encode())
        for name, value in self._network.state_dict().items():
            digest.update(name.encode())
            digest.update(value.cpu().numpy().tobytes())
        return digest.hexdigest()[:32]


@lru_cache(maxsize=2)
def backbone(name: str, weights: str, layers: str, downsample: float) -> Backbone:
    """Build the backbone of some settings, once per process; timm's import and 80 MB of weights take a second.

    Raises:
        UsageError: weights that cannot be used, or layers that it does not have.
    """
    return Backbone(name, weights, layers, downsample)


def load_backbone(config: Config) -> Backbone:
    """Return the backbone of a config, on the CPU unless it has been moved."""
    return backbone(config.backbone, config.weights, config.layers, config.downsample)


@contextlib.contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Run convolutions on one thread, so that they always add in the same order; on a GPU in float32.

    Ampere's and later GPUs otherwise multiply in TF32, whose ten bits move maps by a thousandth.
    """
    threads, tf32 = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = tf32


def check_layers(config: Config, image: np.ndarray) -> None:
    """See on an image that the layers are there and give maps.

    Raises:
        UsageError: a backbone, a layer or weights that there are not, or a layer that is no convolutional one.
    """
    check_networks(config)
    network = load_backbone(config)
    try:
        with exact_arithmetic():
            maps = network(image, torch.device("cpu"))
    except (RuntimeError, ValueError, AssertionError, AttributeError, IndexError) as error:
        size = f"{image.shape[1]}×{image.shape[0]}"
        raise UsageError(
            f"backbone={config.backbone} layers={config.layers} gives no maps of an image of {size} pixels at "
            f"downsample={config.downsample:g}: {first_line(error)}; take a convolutional layer, or larger images."
        ) from error
    for name, layer in zip(config.layers.split(","), maps, strict=False):
        if layer.ndim != 3:
            raise UsageError(
                f"layers: {name} of backbone={config.backbone} gives {list(layer.shape)} and no map of channels, rows "
                "and columns: take a convolutional layer."
            )


def _network(name: str, weights: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        if name == TINY:
            return _tiny()
        # timm's import takes seconds, and the tiny network needs none
        from trainables.networks.first_weights import create_network  # noqa: PLC0415

        return create_network(name, weights)


def _tiny() -> nn.Module:
    """Build four convolutions, each at half the size of the one before; zeros around them let borders be seen."""
    sizes = zip(_CHANNELS, _CHANNELS[1:], (5, 3, 3, 3), strict=False)
    return nn.Sequential(*[
        nn.Sequential(nn.Conv2d(before, after, size, stride=2, padding=size // 2), nn.ReLU())
        for before, after, size in sizes
    ])  # fmt: skip


def _module(network: nn.Module, layer: str, name: str) -> nn.Module:
    try:
        return network.get_submodule(layer)
    except AttributeError as error:
        top_modules = ", ".join(child for child, _ in network.named_children())
        raise UsageError(f"layers: backbone={name} has no module {layer}; at its top are {top_modules}.") from error


def _store(outputs: threading.local, layer: str, _: nn.Module, __: object, output: Tensor) -> None:
    setattr(outputs, layer, output[0].clone())  # what follows may work in place


def _mirror(values: Tensor, margin: int) -> Tensor:
    """Continue an image by mirroring on all sides, however small it is: `[1, C, H + 2m, W + 2m]`."""
    while margin > 0:
        step = min(margin, min(values.shape[-2:]) - 1)
        values = F.pad(values, (step,) * 4, mode="reflect")
        margin -= step
    return values


def _cut_margin(maps: Tensor, size: tuple[int, int], margin: int) -> Tensor:
    """Return the part of maps `[C, h, w]` that is of the image itself."""
    for axis, side in zip((1, 2), size, strict=True):
        length = maps.shape[axis]
        first, last = (round(length * edge / (side + 2 * margin)) for edge in (margin, margin + side))
        maps = maps.narrow(axis, first, max(1, last - first))
    return maps.contiguous()
