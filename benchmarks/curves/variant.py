"""The curves as a variant: one parameter, one step per epoch, and a report by formula."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from benchmarks.curves.config import Config, Data
from trainables.contract import Context, Split, Step, Variant


class Curves(Variant):
    """Reports `val/score`, which the settings and the epoch decide, and `val/cost`, which rises with x."""

    config: Config

    def __init__(self, config: Config, data: Data, context: Context) -> None:
        self.config = config
        self.device, self.processes = context.device, context.processes
        self.weight = nn.Linear(4, 1).to(self.device)
        self.epoch = 0
        generator = torch.Generator().manual_seed(context.seed)
        self.luck = {split: torch.randn((), generator=generator).item() for split in ("val", "test")}

    @property
    def steps_per_epoch(self) -> int:
        return 1

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.weight.parameters())}]

    def batches(self, epoch: int) -> Iterator[torch.Tensor]:
        yield torch.randn(8, 4, generator=torch.Generator().manual_seed(epoch)).to(self.device)

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch + 1
        time.sleep(self.config.epoch_s)

    def step(self, batch: torch.Tensor, update: int) -> Step:
        loss = self.weight(batch).square().mean()
        return Step(self._misbehave(loss), {"raw/square": loss})

    def evaluate(self, split: Split) -> dict[str, float]:
        config = self.config
        value = 1 - (config.x - 0.3) ** 2 - (config.y - 0.7) ** 2 / 4 - 1 / (1 + self.epoch)
        if config.kind == "shifted":
            value -= 0.1 + config.shift
        value += config.noise * self.luck[split]
        return {"score": value, "cost": config.x, "health/excess": max(0.0, config.x - 0.8)}

    def modules(self) -> Mapping[str, nn.Module]:
        return {"weight": self.weight}

    def _misbehave(self, loss: torch.Tensor) -> torch.Tensor:
        if self.epoch != self.config.wrong_epoch:
            return loss
        match self.config.goes_wrong:
            case "raises":
                raise RuntimeError("this trial was asked to fail")
            case "memory":
                raise torch.OutOfMemoryError("this trial was asked to run out of memory")
            case "hangs":
                time.sleep(3600)
            case "nan":
                return loss * float("nan")
        return loss


build = Curves
