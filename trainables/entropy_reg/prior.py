"""The centre bias of a training's fixations: fitted once per process, and as a map that an export carries."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.data import load
from trainables.entropy_reg.stimuli import Shape

_EXPORTED = (192, 256)  # cells, as of an image of 768 × 1024; shares of height and width, whatever the image's shape


class Prior(nn.Module):
    """A centre bias as a buffer, so that it goes where the weights go."""

    log_density: Tensor

    def __init__(self, centre_bias: CentreBias | None = None) -> None:
        super().__init__()
        known = torch.zeros(_EXPORTED)
        if centre_bias is not None:
            known = torch.from_numpy(centre_bias.log_density(_EXPORTED)).float()
        self.register_buffer("log_density", known)

    def on(self, cells: Shape) -> Tensor:
        """The log-density over the cells of an image, nats, float32 `[h, w]`."""
        whole = self.log_density[None, None]
        if cells[0] <= whole.shape[2] and cells[1] <= whole.shape[3]:
            resized = F.adaptive_avg_pool2d(whole.exp(), cells).log()  # a cell has the mass of those that it covers
        else:
            resized = F.interpolate(whole, cells, mode="bilinear", align_corners=False)
        return resized.flatten().log_softmax(dim=0).view(cells)


def fitted(config: Config, data: Data) -> CentreBias:
    """The centre bias of the training split; its bandwidth takes seconds to find, and is the same for all trials."""
    return _fitted(config.image_size, config.shape, data)


@lru_cache(maxsize=4)
def _fitted(size: int, shape: str, data: Data) -> CentreBias:
    train = load(Config(image_size=size, shape=shape), data, "train")  # type: ignore[arg-type]
    seen = [(each.points, size) for each, size in zip(train.fixations, train.shapes, strict=True)]
    return CentreBias.fitted(seen, data.bandwidth, data.uniform_share)
