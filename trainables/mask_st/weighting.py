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

TINY = 1e-12  # below this a gradient norm or a loss counts as zero
RATE_LIMITS = (0.1, 10.0)


@dataclass(frozen=True)
class Group:
    """Tasks that meet in the same parameters, whose gradient norms are compared there.

    One group cannot hold all: the classification loss has no gradient in the mask generator.
    """

    tasks: tuple[str, ...]
    parameters: tuple[nn.Parameter, ...]


class GradNorm:
    """One weight per task, their sum always the number of tasks, none below the floor.

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
        self._initial: Tensor | None = None

    def named(self) -> dict[str, Tensor]:
        """Task → present weight, without gradient."""
        return dict(zip(self.tasks, self.weights.detach().clone(), strict=True))

    def update(self, losses: Mapping[str, Tensor]) -> None:
        """Move the weights by one step; the losses' graphs are kept.

        Args:
            losses: every task's unweighted scalar loss, before anything was differentiated.
        """
        values = self.processes.mean(torch.stack([losses[task].detach().float() for task in self.tasks]))
        if self._initial is None:
            self._initial = values.clamp(min=TINY)
        progress = values / self._initial
        norms = self._gradient_norms(losses)
        pulls = [self._pull(group, of_group, progress) for group, of_group in zip(self.groups, norms, strict=True)]
        self.weights.grad = torch.stack(pulls).sum(dim=0)
        self.optimizer.step()
        with torch.no_grad():
            self.weights.copy_(renormalised(self.weights, self.floor))

    def state(self) -> dict[str, Any]:
        """Weights, reference losses and Adam's moments."""
        return {
            "weights": self.weights.detach().clone(),
            "initial": self._initial,
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        with torch.no_grad():
            self.weights.copy_(state["weights"])
        self._initial = None if state["initial"] is None else state["initial"].to(self.weights.device)
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

    def _pull(self, group: Group, norms: Tensor, progress: Tensor) -> Tensor:
        """The gradient of Σ |w_i G_i − Ḡ r_i^α| / Ḡ with respect to all weights.

        The division by Ḡ is ours: it puts groups, whose gradients differ by orders of magnitude, on one scale.
        """
        at = [self.tasks.index(task) for task in group.tasks]
        weighted = self.weights.detach()[at] * norms
        mean = weighted.mean()
        if mean < TINY:
            return weighted.new_zeros(len(self.tasks))  # nothing has a gradient here to balance
        # A loss that begins at its minimum (keep and full images alike) has a rate that means nothing.
        rate = (progress[at] / progress[at].mean().clamp(min=TINY)).clamp(*RATE_LIMITS)
        target = mean * rate**self.alpha
        gradient = torch.sign(weighted - target) * norms / mean
        return torch.zeros_like(progress).index_add(0, torch.tensor(at, device=gradient.device), gradient)


def renormalised(weights: Tensor, floor: float) -> Tensor:
    """Weights of the same proportions above the floor, whose sum is their number and whose smallest is ≥ `floor`."""
    above = (weights - floor).clamp(min=0.0) + TINY
    return floor + above * (len(weights) * (1 - floor) / above.sum())
