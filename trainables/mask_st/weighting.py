"""GradNorm: loss weights that move during training so that the tasks train at similar rates.

Source: Chen et al. 2018, "GradNorm", algorithm 1. The published mask code multiplies each weight by its task's
gradient norm over the mean, which has the opposite sign: the largest gradients grow larger still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.processes import Processes

TINY = 1e-12  # below this a gradient norm counts as zero
REFERENCE_UPDATES = 10  # whose mean losses are what progress is measured from; one mini-batch says little
SILENT = 1e-6  # a task that begins below this has no progress to measure
RATE_LIMITS = (0.1, 10.0)


@dataclass(frozen=True)
class Group:
    """Tasks that meet in the same parameters, whose gradient norms are compared there.

    One group cannot hold all: the classification loss has no gradient in the mask generator.
    """

    tasks: tuple[str, ...]
    parameters: tuple[nn.Parameter, ...]


class GradNorm:
    """One weight per task, their sum always the number of tasks, none below the floor; all 1 for the first updates.

    Args:
        groups: a task may be in several; its weight then answers to all of them.
        alpha: restoring force; 0 makes all gradient norms equal, more favours tasks that lag behind.
        lr: Adam's learning rate of the weights.
        floor: smallest weight, at most 1.
        processes: gradient norms are those of the whole batch.
    """

    def __init__(self, groups: Sequence[Group], *, alpha: float, lr: float, floor: float, processes: Processes) -> None:
        self.groups = tuple(groups)
        self.tasks = tuple(dict.fromkeys(task for group in groups for task in group.tasks))
        self.alpha, self.floor, self.processes = alpha, floor, processes
        self.weights = torch.ones(len(self.tasks), device=groups[0].parameters[0].device, requires_grad=True)
        self.optimizer = torch.optim.Adam([self.weights], lr=lr)
        self._reference = torch.zeros(len(self.tasks), device=self.weights.device)
        self._seen = 0

    def named(self) -> dict[str, Tensor]:
        """Task → present weight, without gradient."""
        return dict(zip(self.tasks, self.weights.detach().clone(), strict=True))

    def update(self, losses: Mapping[str, Tensor]) -> None:
        """Move the weights by one step, or only note the losses while they make the reference; graphs are kept.

        Args:
            losses: every task's unweighted scalar loss, before anything was differentiated.
        """
        values = self.processes.mean(torch.stack([losses[task].detach().float() for task in self.tasks]))
        if self._seen < REFERENCE_UPDATES:
            self._reference = self._reference + values / REFERENCE_UPDATES
            self._seen += 1
            return
        takes_part = self._reference >= SILENT
        progress = values / self._reference.clamp(min=SILENT)
        norms = self._gradient_norms(losses)
        pulls = [
            self._pull(group, of_group, progress, takes_part)
            for group, of_group in zip(self.groups, norms, strict=True)
        ]
        self.weights.grad = torch.stack(pulls).sum(dim=0)
        self.optimizer.step()
        with torch.no_grad():
            self.weights.copy_(renormalised(self.weights, self.floor, takes_part))

    def state(self) -> dict[str, Any]:
        """Weights, reference losses and Adam's moments."""
        return {
            "weights": self.weights.detach().clone(),
            "reference": self._reference,
            "seen": self._seen,
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        with torch.no_grad():
            self.weights.copy_(state["weights"])
        self._reference = state["reference"].to(self.weights.device)
        self._seen = state["seen"]
        self.optimizer.load_state_dict(state["optimizer"])

    def _gradient_norms(self, losses: Mapping[str, Tensor]) -> list[Tensor]:
        """Per group, ‖∇ L_i‖₂ `[tasks of the group]`; one backward pass per task serves all of its groups."""
        found: dict[tuple[int, str], Tensor] = {}
        for task in self.tasks:
            mine = [index for index, group in enumerate(self.groups) if task in group.tasks]
            parameters = [each for index in mine for each in self.groups[index].parameters]
            gradients = iter(
                torch.autograd.grad(
                    losses[task], parameters, retain_graph=True, allow_unused=True, materialize_grads=True
                )
            )
            for index in mine:
                parts = [next(gradients).flatten().float() for _ in self.groups[index].parameters]
                found[index, task] = self.processes.mean(torch.cat(parts)).norm()
        return [torch.stack([found[index, task] for task in group.tasks]) for index, group in enumerate(self.groups)]

    def _pull(self, group: Group, norms: Tensor, progress: Tensor, takes_part: Tensor) -> Tensor:
        """The gradient of Σ |w_i G_i − Ḡ r_i^α| / Ḡ with respect to all weights, over the tasks that take part.

        The division by Ḡ is ours: it puts groups, whose gradients differ by orders of magnitude, on one scale.
        """
        at = torch.tensor([self.tasks.index(task) for task in group.tasks], device=norms.device)
        takes_part = takes_part[at]
        at, norms = at[takes_part], norms[takes_part]
        weighted = self.weights.detach()[at] * norms
        if len(at) == 0 or weighted.mean() < TINY:
            return torch.zeros_like(progress)  # nothing has a gradient here to balance
        mean = weighted.mean()
        rate = (progress[at] / progress[at].mean().clamp(min=TINY)).clamp(*RATE_LIMITS)
        target = mean * rate**self.alpha
        gradient = torch.sign(weighted - target) * norms / mean
        return torch.zeros_like(progress).index_add(0, at, gradient)


def renormalised(weights: Tensor, floor: float, takes_part: Tensor) -> Tensor:
    """Weights of the same proportions above the floor, whose sum is their number and whose smallest is ≥ `floor`.

    Those that do not take part, bool `[tasks]`, are 1.
    """
    above = ((weights - floor).clamp(min=0.0) + TINY) * takes_part
    shares = takes_part.sum() * (1 - floor) * above / above.sum().clamp(min=TINY)
    return torch.where(takes_part, floor + shares, 1.0)
