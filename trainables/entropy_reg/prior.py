"""The centre bias of a training's fixations: fitted once per process, and as a map that an export carries."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.config import Data
from trainables.entropy_reg.split import Shape, Stimuli
from trainables.images.cache import build_once

_METHOD = "leaving one image out 1"  # part of the key: change it whenever the same fixations would be fitted otherwise
_EXPORT_SHAPE = (192, 256)  # cells, as of an image of 768 × 1024; they are shares of height and width for any shape


class Prior(nn.Module):
    """A centre bias as a buffer, so that it goes where the weights go."""

    log_density: Tensor

    def __init__(self, centre_bias: CentreBias | None = None) -> None:
        super().__init__()
        log_density = torch.zeros(_EXPORT_SHAPE)
        if centre_bias is not None:
            log_density = torch.from_numpy(centre_bias.log_density(_EXPORT_SHAPE)).float()
        self.register_buffer("log_density", log_density)

    def resize(self, cells: Shape) -> Tensor:
        """Return the log-density over the cells of an image, nats, float32 `[h, w]`."""
        log_density = self.log_density[None, None]
        if cells[0] <= log_density.shape[2] and cells[1] <= log_density.shape[3]:
            log_density = F.adaptive_avg_pool2d(log_density.exp(), cells).log()  # a cell has the mass of those in it
        else:
            log_density = F.interpolate(log_density, cells, mode="bilinear", align_corners=False)
        return log_density.flatten().log_softmax(dim=0).view(cells)


def fit_prior(train: Stimuli, data: Data) -> CentreBias:
    """Fit the centre bias of a training split; its parameters stay in `data.cache`, as the search takes seconds."""
    return _fit_once(train, data)  # types are checked at this call; those of a cached function are not


@lru_cache(maxsize=4)
def _fit_once(train: Stimuli, data: Data) -> CentreBias:
    fixations = [(image.points, shape) for image, shape in zip(train.fixations, train.shapes, strict=True)]
    digest = hashlib.sha256(json.dumps([_METHOD, data.bandwidth, data.uniform_share]).encode())
    for points, (height, width) in fixations:
        digest.update(f"{len(points)} {height} {width} ".encode() + points.tobytes())

    def fit(folder: Path) -> None:
        bias = CentreBias.fit(fixations, data.bandwidth, data.uniform_share)
        names = ("bandwidth", "uniform_share", "bits", "at_end")
        parameters = {name: getattr(bias, name) for name in names}
        (folder / "fit.json").write_text(json.dumps(parameters), encoding="utf-8")

    folder = build_once(Path(data.cache).expanduser() / f"centre-bias-{digest.hexdigest()[:32]}", fit)
    return CentreBias.restore(fixations, **json.loads((folder / "fit.json").read_text(encoding="utf-8")))
