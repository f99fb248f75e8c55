"""The one training loop: epochs, precision, accumulation, clipping, schedules, guards.

`Loop(variant, objective).run_epoch()` trains and evaluates one epoch and returns its report, a flat dictionary with the
same keys every epoch: numbers under `epoch`, `train/…`, `raw/…` (unweighted losses), `val/…`, `health/…`, `objective/…`
and `time/…`, and the words `findings` and `stop_reason`.
A search calls it from a Ray actor (`trainables.trials.trial`), full training from a command (`trainables.train`).
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from trainables import stages
from trainables.contract import Variant
from trainables.objective import Objective
from trainables.stages import Stage
from trainables.training import generators
from trainables.training.gradients import GradientReport
from trainables.training.init_from import load_initial_weights
from trainables.training.means import Means
from trainables.training.monitor import DivergedError, Monitor
from trainables.training.schedule import Schedule

_CHECK_INTERVAL = 16  # steps; reading the values waits for the GPU


class Loop:
    """Trains a variant epoch by epoch.

    Attributes:
        monitor: judges every epoch: objective, health, best epoch, reason to stop.
        epoch_done: epochs trained so far.
        report: the last epoch's report, None before the first.
        seconds: spent in all; seconds_before: the part of it before an interruption.
    """

    def __init__(self, variant: Variant, objective: Objective) -> None:
        self.variant = variant
        self.config = variant.config
        self.monitor = Monitor(variant, objective)
        groups = variant.parameter_groups()
        self.optimizer = torch.optim.AdamW(groups, lr=self.config.lr, weight_decay=self.config.weight_decay)
        self._peak_lrs = [group["lr"] for group in self.optimizer.param_groups]
        self._gradients = GradientReport(variant.gradient_parts(), self.config.clip_norm)
        load_initial_weights(variant)
        self._first_weights = self._copy_weights() if any(stage.first_weights for stage in variant.stages) else {}
        self.epoch_done = 0
        self.report: dict[str, Any] | None = None
        self.seconds = self.seconds_before = 0.0

    @property
    def finished(self) -> bool:
        """Whether the budget is used up or the trial has stopped itself."""
        return self.monitor.stop_reason is not None or self.epoch_done >= self.config.epochs

    @property
    def stage_over(self) -> Stage | None:
        """The stage that the last epoch has ended, or None."""
        return next((stage for stage in self.variant.stages if stage.end == self.epoch_done), None)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch."""
        return math.ceil(self.variant.steps_per_epoch / self.config.accumulate)

    def run_epoch(self, on_step: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Train and evaluate one epoch; `on_step` is called after every optimiser step.

        Raises:
            DivergedError: a gradient, a loss or the objective is not finite.
        """
        start = time.perf_counter()
        report: dict[str, Any] = {"epoch": self.epoch_done + 1, **self._train(on_step)}
        train_end = time.perf_counter()
        report |= self._evaluate()
        report |= stages.stage_report(self.variant.stages, self.epoch_done)
        self.epoch_done += 1
        end = time.perf_counter()
        self.seconds += end - start
        report |= {"time/train_s": train_end - start, "time/eval_s": end - train_end, "time/total_s": self.seconds}
        self.monitor.judge(report)
        self.report = report
        return report

    def check_metrics(self) -> None:
        """Evaluate before the first epoch, so that an objective that no report will have is told at once.

        Raises:
            MissingMetricError: validation, on these data, has no such metric.
        """
        self.monitor.objective.check_evaluation(self._evaluate())

    def state(self) -> dict[str, Any]:
        """Return everything that the rest of the training depends on, as tensors and plain values."""
        return {
            "epoch_done": self.epoch_done,
            "modules": {name: module.state_dict() for name, module in self.variant.modules().items()},
            "optimizer": self.optimizer.state_dict(),
            "variant": self.variant.state(),
            "generators": generators.generator_states(self.variant.device),
            "report": self.report,
            **self.monitor.state(),
            "seconds": self.seconds,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken: on a CPU the result equals an uninterrupted training bit for bit."""
        for name, module in self.variant.modules().items():
            module.load_state_dict(state["modules"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.variant.load_state(state["variant"])
        generators.restore_generators(self.variant.device, state["generators"])
        self.epoch_done = state["epoch_done"]
        self.report = state["report"]
        self.monitor.load_state(state)
        self.seconds = self.seconds_before = state["seconds"]

    def weights(self) -> dict[str, Tensor]:
        """Return the weights, `module.parameter` → tensor on the CPU, contiguous as safetensors needs them."""
        return {
            f"{name}.{key}": value.detach().cpu().contiguous()
            for name, module in self.variant.modules().items()
            for key, value in module.state_dict().items()
        }

    def _train(self, on_step: Callable[[], object]) -> dict[str, float]:
        """Train on every batch once; returns the mean of every component, and the optimiser's own values."""
        self.variant.begin_epoch(self.epoch_done)
        self._begin_stage()
        schedule = Schedule.at_epoch(self.variant.stages, self.epoch_done, self.config.warmup_epochs)
        means = Means(self.variant.device)
        steps_per_epoch = self.steps_per_epoch
        for index, group in enumerate(_groups(self.variant.batches(self.epoch_done), self.config.accumulate)):
            self._set_learning_rate(schedule.factor(self.epoch_done + (index + 0.5) / steps_per_epoch))
            for update in range(self.variant.updates_per_batch):
                self._update(group, index, update, means)
            on_step()
            if index % _CHECK_INTERVAL == 0:
                self._check_finite(means, index)
        self._check_finite(means, steps_per_epoch - 1)
        self.variant.end_epoch()
        values = self.variant.processes.mean(means.tensor())
        return {**means.by_name(values), "train/lr": self.optimizer.param_groups[0]["lr"]}

    def _update(self, group: list[Any], index: int, update: int, means: Means) -> None:
        """Update the weights once, on a group of batches, the epoch's `index`-th."""
        self.optimizer.zero_grad(set_to_none=True)
        for batch in group:
            with self._autocast():
                step = self.variant.step(batch, update)
            torch.autograd.backward(step.loss / len(group))
            if update == 0:
                means.add({"train/total": step.loss.detach(), **step.components})
        parameters = [parameter for part in self.optimizer.param_groups for parameter in part["params"]]
        self.variant.processes.average_gradients(parameters)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        means.add({"health/grad_norm": norm, **self._gradients.measure_gradients(index, norm)})
        if self.config.clip_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.config.clip_norm, norm)
        self.optimizer.step()
        means.add(self._gradients.measure_update())

    def _evaluate(self) -> dict[str, float]:
        values = self.variant.evaluate("val")  # in float32 whatever the training's precision, as everyone else calls it
        return {key if key.startswith("health/") else f"val/{key}": value for key, value in values.items()}

    def _begin_stage(self) -> None:
        """Reset weights and optimiser at the border of a stage, as the stage asks."""
        if self.stage_over is None:
            return
        stage = self.variant.stages[stages.stage_index(self.variant.stages, self.epoch_done)]
        if stage.first_weights:
            for name, module in self.variant.modules().items():
                module.load_state_dict(self._first_weights[name])
        if stage.fresh_optimizer:
            self.optimizer.state.clear()

    def _copy_weights(self) -> dict[str, dict[str, Tensor]]:
        return {
            name: {key: value.clone() for key, value in module.state_dict().items()}
            for name, module in self.variant.modules().items()
        }

    def _set_learning_rate(self, factor: float) -> None:
        for group, peak in zip(self.optimizer.param_groups, self._peak_lrs, strict=True):
            group["lr"] = peak * factor

    def _check_finite(self, means: Means, step: int) -> None:
        for key, name in (("train/total", "loss"), ("health/grad_norm", "gradient norm")):
            value = float(means.sums[key])
            if not math.isfinite(value):
                clip = self.config.clip_norm
                remedy = f"or clip_norm ({clip:.3g})" if clip > 0 else "or set clip_norm=1"
                raise DivergedError(
                    f"{name} became {value} in epoch {self.epoch_done + 1} by step {step + 1}; "
                    f"lower lr ({self.config.lr:.3g}) {remedy}"
                )

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        device = self.variant.device.type
        capable = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        enabled = self.config.precision == "bf16" or (self.config.precision == "auto" and capable)
        return torch.autocast(device, dtype=torch.bfloat16, enabled=enabled)


def _groups(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while group := list(itertools.islice(batches, size)):
        yield group
