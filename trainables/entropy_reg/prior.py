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


@lru_cache(maxsize=4)
def fit_prior(train: Stimuli, data: Data) -> CentreBias:
    """The centre bias of a training split; what is chosen is kept in `data.cache`, for it takes seconds to find."""
    seen = [(each.points, size) for each, size in zip(train.fixations, train.shapes, strict=True)]
    digest = hashlib.sha256(json.dumps([_METHOD, data.bandwidth, data.uniform_share]).encode())
    for points, (height, width) in seen:
        digest.update(f"{len(points)} {height} {width} ".encode() + points.tobytes())

    def fit(folder: Path) -> None:
        found = CentreBias.fit(seen, data.bandwidth, data.uniform_share)
        values = {"bandwidth": found.bandwidth, "uniform_share": found.uniform_share}
        kept = {**values, "bits": found.bits, "at_end": found.at_end}
        (folder / "fit.json").write_text(json.dumps(kept), encoding="utf-8")

    folder = build_once(Path(data.cache).expanduser() / f"centre-bias-{digest.hexdigest()[:32]}", fit)
    return CentreBias.restore(seen, **json.loads((folder / "fit.json").read_text(encoding="utf-8")))
