"""A linear model as a variant, small enough to check by hand: dropout, a generator of its own, stages, and health."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from tests.support.loops import timeless
from trainables.base_config import TrainingConfig
from trainables.contract import Finding, Step, Variant
from trainables.objective import Goal, Objective
from trainables.processes import Processes
from trainables.stages import Stage
from trainables.training.loop import Loop

ROWS = 24
MINIMISE = Objective((Goal("val/mse", "min"),))


@dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    batch_size: int = 8
    lr: float = 0.05
    weight_decay: float = 0.0
    dropout: float = 0.0
    noise: float = 0.0
    sick: tuple[int, ...] = ()  # epochs with a fatal finding
    bad_metric: float | None = None  # what `val/mse` is from epoch 2 on
    seed: int = 0  # of the first weights
    parts: tuple[Stage, ...] = ()  # the stages; none: a single one
    picture: Literal["none", "drawn", "fails"] = "none"  # of a stage

    def __post_init__(self) -> None:
        """Unchecked: tests alone make it."""


class Linear(Variant):
    def __init__(self, config: Config, processes: Processes) -> None:
        self.config: Config = config
        self.device = torch.device("cpu")
        self.processes = processes
        torch.manual_seed(config.seed)
        self.model = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(4, 1))
        self.generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(ROWS, 4, generator=torch.Generator().manual_seed(2))
        self.y = self.x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
        self.autocast: list[bool] = []
        self.epoch = 0
        self.met: list[torch.Tensor] = []  # the weights when each epoch began

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.config.parts or super().stages

    @property
    def steps_per_epoch(self) -> int:
        return ROWS // self.config.batch_size

    @property
    def weight(self) -> torch.Tensor:
        return self.model[1].weight.detach().clone()

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters())}]

    def batches(self, epoch: int) -> Iterator[Any]:
        order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(epoch))
        for rows in order.split(self.config.batch_size):
            noise = self.config.noise * torch.randn(len(rows), 4, generator=self.generator)
            yield self.processes.rows(self.x[rows] + noise), self.processes.rows(self.y[rows])

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch + 1
        self.met.append(self.weight)
        self.model.train()

    def step(self, batch: Any, update: int) -> Step:
        self.autocast.append(torch.is_autocast_enabled("cpu"))
        x, y = batch
        loss = (self.model(x) - y).square().mean()
        return Step(loss, {"raw/mse": loss})

    def evaluate(self, split: str) -> dict[str, float]:
        self.model.eval()
        with torch.no_grad():
            mse = (self.model(self.x) - self.y).square().mean().item()
        if self.config.bad_metric is not None and self.epoch >= 2:
            mse = self.config.bad_metric
        return {"mse": mse, "health/bias": self.model[1].bias.item()}

    def modules(self) -> Mapping[str, nn.Module]:
        return {"model": self.model}

    def state(self) -> dict[str, Any]:
        return {"generator": self.generator.get_state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.generator.set_state(state["generator"])

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        sick = report["epoch"] in self.config.sick
        return [Finding("line flat", "the line is flat; raise lr", fatal=True)] if sick else []

    def panels(self) -> dict[str, np.ndarray]:
        return {"weights": np.full((2, 4, 3), 7, dtype=np.uint8)}

    def stage_panel(self) -> np.ndarray | None:
        if self.config.picture == "fails":
            raise RuntimeError("this picture cannot be drawn")
        drawn = np.full((2, 4, 3), self.epoch, dtype=np.uint8)
        return drawn if self.config.picture == "drawn" else None


def linear_loop(objective: Objective = MINIMISE, processes: Processes | None = None, **config: Any) -> Loop:
    """Build a loop over the linear model; the same arguments give the same loop."""
    return Loop(Linear(Config(**config), processes or Processes()), objective)


def learning_rates(**config: Any) -> list[float]:
    """List the learning rate of every optimiser step of a whole training."""
    loop = linear_loop(**config)
    rates: list[float] = []
    while not loop.finished:
        loop.run_epoch(lambda: rates.append(loop.optimizer.param_groups[0]["lr"]))
    return rates


def figures(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a report, without the times."""
    return {key: value for key, value in timeless(report).items() if isinstance(value, int | float)}
