"""The one training loop: epochs, precision, accumulation, clipping, schedules, guards, early stopping.

`Loop(variant, objective).epoch()` trains and evaluates one epoch and returns its report, a flat dictionary with the
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
from trainables.contract import Finding, Variant
from trainables.objective import Objective
from trainables.stages import Stage
from trainables.training import generators
from trainables.training.gradients import GradientReport
from trainables.training.means import Means
from trainables.training.schedule import Schedule
from trainables.training.weights import begin


class DivergedError(RuntimeError):
    """Training produced a number that is not finite; the message says which, where, and what usually helps."""


class Loop:
    """Trains a variant epoch by epoch.

    Attributes:
        epoch_done: epochs trained so far.
        improved: whether the last epoch is the best so far of its stage by the objective.
        report: the last epoch's report, None before the first.
        best: the report of the best epoch of the stage that training is in, or None.
        findings: what the health checks said of the last epoch.
        stop_reason: why training ends before its budget, or None.
        seconds: spent in all; seconds_before: the part of it before an interruption.
    """

    def __init__(self, variant: Variant, objective: Objective) -> None:
        self.variant = variant
        self.config = variant.config
        self.objective = objective
        groups = variant.parameter_groups()
        self.optimizer = torch.optim.AdamW(groups, lr=self.config.lr, weight_decay=self.config.weight_decay)
        self._peak_lrs = [group["lr"] for group in self.optimizer.param_groups]
        self._gradients = GradientReport(variant.watched(), self.config.clip_norm)
        self.epoch_done = 0
        self.improved = False
        begin(variant)
        self._first_weights = self._copies() if any(stage.first_weights for stage in variant.stages) else {}
        self.report: dict[str, Any] | None = None
        self.best: dict[str, Any] | None = None
        self.findings: list[Finding] = []
        self.stop_reason: str | None = None
        self._fatal_epochs = 0
        self.seconds = self.seconds_before = 0.0

    @property
    def finished(self) -> bool:
        """Whether the budget is used up or the trial has stopped itself."""
        return self.stop_reason is not None or self.epoch_done >= self.config.epochs

    @property
    def stage_over(self) -> Stage | None:
        """The stage that the last epoch has ended, or None."""
        ended = [stage for stage in self.variant.stages if stage.end == self.epoch_done]
        return ended[0] if ended else None

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch."""
        return math.ceil(self.variant.steps_per_epoch / self.config.accumulate)

    def epoch(self, each_step: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Train and evaluate one epoch; `each_step` is called after every optimiser step.

        Raises:
            DivergedError: a gradient, a loss or the objective is not finite.
        """
        start = time.perf_counter()
        report: dict[str, Any] = {"epoch": self.epoch_done + 1, **self._train(each_step)}
        trained = time.perf_counter()
        report |= self._evaluate()
        report |= stages.reported(self.variant.stages, self.epoch_done)
        self.epoch_done += 1
        end = time.perf_counter()
        self.seconds += end - start
        report |= {"time/train_s": trained - start, "time/eval_s": end - trained, "time/total_s": self.seconds}
        self._judge(report)
        self.report = report
        return report

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the training depends on, as tensors and plain values."""
        return {
            "epoch_done": self.epoch_done,
            "modules": {name: module.state_dict() for name, module in self.variant.modules().items()},
            "optimizer": self.optimizer.state_dict(),
            "variant": self.variant.state(),
            "generators": generators.states(self.variant.device),
            "report": self.report,
            "best": self.best,
            "stop_reason": self.stop_reason,
            "fatal_epochs": self._fatal_epochs,
            "seconds": self.seconds,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken: on a CPU the result equals an uninterrupted training bit for bit."""
        for name, module in self.variant.modules().items():
            module.load_state_dict(state["modules"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.variant.load_state(state["variant"])
        generators.restore(self.variant.device, state["generators"])
        self.epoch_done = state["epoch_done"]
        self.report = state["report"]
        self.best = state["best"]
        self.stop_reason = state["stop_reason"]
        self._fatal_epochs = state["fatal_epochs"]
        self.seconds = self.seconds_before = state["seconds"]

    def weights(self) -> dict[str, Tensor]:
        """The trained weights, `module.parameter` → tensor on the CPU, contiguous as safetensors wants them."""
        return {
            f"{name}.{key}": value.detach().cpu().contiguous()
            for name, module in self.variant.modules().items()
            for key, value in module.state_dict().items()
        }

    # -- training ------------------------------------------------------------------------------------------------

    def _train(self, each_step: Callable[[], object]) -> dict[str, float]:
        """One pass over the training batches; the mean of every component, and the optimiser's own figures."""
        self.variant.train_mode(self.epoch_done)
        self._begin_stage()
        schedule = Schedule.of(self.variant.stages, self.epoch_done, self.config.warmup_epochs)
        means = Means(self.variant.device)
        steps_per_epoch = self.steps_per_epoch
        for index, group in enumerate(_groups(self.variant.batches(self.epoch_done), self.config.accumulate)):
            self._set_learning_rate(schedule.factor(self.epoch_done + (index + 0.5) / steps_per_epoch))
            for update in range(self.variant.updates_per_batch):
                self._update(group, index, update, means)
            each_step()
            if index % 16 == 0:  # a look at the figures waits for the GPU, so not at every step
                self._check_finite(means, index)
        self._check_finite(means, steps_per_epoch - 1)
        self.variant.end_epoch()
        values = self.variant.processes.mean(means.tensor())
        return {**means.named(values), "train/lr": self.optimizer.param_groups[0]["lr"]}

    def _update(self, group: list[Any], index: int, update: int, means: Means) -> None:
        """One optimiser update on a group of batches, the epoch's `index`-th."""
        self.optimizer.zero_grad(set_to_none=True)
        for batch in group:
            with self._autocast():
                step = self.variant.step(batch, update)
            torch.autograd.backward(step.loss / len(group))
            if update == 0:
                means.add({"train/total": step.loss.detach(), **step.components})
        parameters = [each for each_group in self.optimizer.param_groups for each in each_group["params"]]
        self.variant.processes.average_gradients(parameters)
        gradients = [each.grad for each in parameters if each.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        means.add({"health/grad_norm": norm, **self._gradients.before_clipping(index, norm)})
        if self.config.clip_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.config.clip_norm, norm)
        self.optimizer.step()
        means.add(self._gradients.after_step())

    def _begin_stage(self) -> None:
        """At the border of a stage, forget what it wants to begin without."""
        if self.stage_over is None:
            return
        stage = self.variant.stages[stages.place(self.variant.stages, self.epoch_done)]
        if stage.first_weights:
            for name, module in self.variant.modules().items():
                module.load_state_dict(self._first_weights[name])
        if stage.fresh_optimizer:
            self.optimizer.state.clear()

    def _copies(self) -> dict[str, dict[str, Tensor]]:
        modules = self.variant.modules().items()
        return {name: {key: value.clone() for key, value in each.state_dict().items()} for name, each in modules}

    def _set_learning_rate(self, factor: float) -> None:
        for group, peak in zip(self.optimizer.param_groups, self._peak_lrs, strict=True):
            group["lr"] = peak * factor

    def _check_finite(self, means: Means, step: int) -> None:
        for name in ("train/total", "health/grad_norm"):
            value = float(means.sums[name])
            if not math.isfinite(value):
                what = "loss" if name == "train/total" else "gradient norm"
                clip = self.config.clip_norm
                remedy = f"or clip_norm ({clip:.3g})" if clip > 0 else "or set clip_norm=1"
                raise DivergedError(
                    f"{what} became {value} in epoch {self.epoch_done + 1} by step {step + 1}; "
                    f"lower lr ({self.config.lr:.3g}) {remedy}"
                )

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        device = self.variant.device.type
        capable = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        enabled = self.config.precision == "bf16" or (self.config.precision == "auto" and capable)
        return torch.autocast(device, dtype=torch.bfloat16, enabled=enabled)

    # -- judging -------------------------------------------------------------------------------------------------

    def _evaluate(self) -> dict[str, float]:
        values = self.variant.evaluate("val")  # in float32 whatever the training's precision, as everyone else calls it
        return {key if key.startswith("health/") else f"val/{key}": value for key, value in values.items()}

    def _judge(self, report: dict[str, Any]) -> None:
        """Add objective, health and reasons to stop to the report; note the best epoch."""
        goals = [goal.metric for goal in self.objective.goals]
        for metric in [*goals, *self.objective.constraints]:
            if not math.isfinite(report.get(metric, 0.0)):
                raise DivergedError(
                    f"{metric} is {report[metric]} in epoch {self.epoch_done}; lower lr ({self.config.lr:.3g})"
                )
        report |= self.objective.score(report)
        self.findings = self.variant.health(report)
        fatal = [finding for finding in self.findings if finding.fatal]
        report |= {"health/findings": float(len(self.findings)), "health/fatal": float(len(fatal))}
        self.improved = self.objective.improves(report, self.best)
        if self.improved:
            self.best = report
        self._fatal_epochs = self._fatal_epochs + 1 if fatal else 0
        self.stop_reason = self._reason_to_stop(fatal)
        report["findings"] = [{"check": each.check, "message": each.message} for each in self.findings]
        report["stop_reason"] = self.stop_reason

    def _reason_to_stop(self, fatal: list[Finding]) -> str | None:
        if self.epoch_done >= self.config.epochs:
            return None
        if fatal and 0 < self.config.collapse_patience <= self._fatal_epochs:
            return f"health: {fatal[0].message}"
        waited = self.epoch_done - (self.best["epoch"] if self.best else 0)
        if 0 < self.config.patience <= waited:
            return f"patience: no better {self.objective.first.metric} for {waited} epochs"
        return None


def _groups(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while group := list(itertools.islice(batches, size)):
        yield group
