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
REFERENCE_UPDATES = 10  # progress is measured from the mean loss of the first updates; one mini-batch is too noisy
MIN_REFERENCE_LOSS = 1e-6  # a task that begins below this has no progress to measure
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
        processes: that share a batch; gradient norms are those of the whole batch.
    """

    def __init__(self, groups: Sequence[Group], *, alpha: float, lr: float, floor: float, processes: Processes) -> None:
        self.groups = tuple(groups)
        self.tasks = tuple(dict.fromkeys(task for group in groups for task in group.tasks))
        self.alpha, self.floor, self.processes = alpha, floor, processes
        self.weights = torch.ones(len(self.tasks), device=groups[0].parameters[0].device, requires_grad=True)
        self.optimizer = torch.optim.Adam([self.weights], lr=lr)
        self._reference = torch.zeros(len(self.tasks), device=self.weights.device)
        self._update_count = 0  # of those that make the reference

    def weights_by_task(self) -> dict[str, Tensor]:
        """Return the weight of every task, without gradient."""
        return dict(zip(self.tasks, self.weights.detach().clone(), strict=True))

    def update(self, losses: Mapping[str, Tensor]) -> None:
        """Move the weights by one step; the first updates only collect the reference losses. Graphs are retained.

        Args:
            losses: unweighted scalar loss of every task, before anything was differentiated.
        """
        values = self.processes.mean(torch.stack([losses[task].detach().float() for task in self.tasks]))
        if self._update_count < REFERENCE_UPDATES:
            self._reference = self._reference + values / REFERENCE_UPDATES
            self._update_count += 1
            return
        is_active = self._reference >= MIN_REFERENCE_LOSS
        progress = values / self._reference.clamp(min=MIN_REFERENCE_LOSS)
        gradients = [
            self._weight_gradient(group, norms, progress, is_active)
            for group, norms in zip(self.groups, self._gradient_norms(losses), strict=True)
        ]
        self.weights.grad = torch.stack(gradients).sum(dim=0)
        self.optimizer.step()
        with torch.no_grad():
            self.weights.copy_(renormalise(self.weights, self.floor, is_active))

    def state(self) -> dict[str, Any]:
        """Return weights, reference losses and Adam's moments."""
        return {
            "weights": self.weights.detach().clone(),
            "reference": self._reference,
            "seen": self._update_count,
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        with torch.no_grad():
            self.weights.copy_(state["weights"])
        self._reference = state["reference"].to(self.weights.device)
        self._update_count = state["seen"]
        self.optimizer.load_state_dict(state["optimizer"])

    def _gradient_norms(self, losses: Mapping[str, Tensor]) -> list[Tensor]:
        """Compute ‖∇ L_i‖₂ per group, `[tasks of the group]`; one backward pass per task serves all of its groups."""
        norms: dict[tuple[int, str], Tensor] = {}
        for task in self.tasks:
            indices = [index for index, group in enumerate(self.groups) if task in group.tasks]
            parameters = [parameter for index in indices for parameter in self.groups[index].parameters]
            gradients = iter(
                torch.autograd.grad(
                    losses[task], parameters, retain_graph=True, allow_unused=True, materialize_grads=True
                )
            )
            for index in indices:
                parts = [next(gradients).flatten().float() for _ in self.groups[index].parameters]
                norms[index, task] = self.processes.mean(torch.cat(parts)).norm()
        return [torch.stack([norms[index, task] for task in group.tasks]) for index, group in enumerate(self.groups)]

    def _weight_gradient(self, group: Group, norms: Tensor, progress: Tensor, is_active: Tensor) -> Tensor:
        """Compute the gradient of Σ |w_i G_i − Ḡ r_i^α| / Ḡ with respect to all weights, over the active tasks.

        The division by Ḡ is not in the source: it puts groups, whose gradients differ by orders of magnitude, on one
        scale. As there, the target Ḡ r_i^α is a constant, so that only |w_i G_i| is differentiated.
        """
        indices = torch.tensor([self.tasks.index(task) for task in group.tasks], device=norms.device)
        is_active = is_active[indices]
        indices, norms = indices[is_active], norms[is_active]
        weighted_norms = self.weights.detach()[indices] * norms
        if len(indices) == 0 or weighted_norms.mean() < TINY:
            return torch.zeros_like(progress)  # no gradients to balance
        mean = weighted_norms.mean()
        rate = (progress[indices] / progress[indices].mean().clamp(min=TINY)).clamp(*RATE_LIMITS)
        target = mean * rate**self.alpha
        gradient = torch.sign(weighted_norms - target) * norms / mean
        return torch.zeros_like(progress).index_add(0, indices, gradient)


def renormalise(weights: Tensor, floor: float, is_active: Tensor) -> Tensor:
    """Scale weights so that their sum is their number and the smallest is ≥ `floor`, as they lie above the floor.

    Args:
        weights: `[tasks]`.
        floor: smallest weight.
        is_active: bool `[tasks]`; the weights of the other tasks become 1.
    """
    excess = ((weights - floor).clamp(min=0.0) + TINY) * is_active
    shares = is_active.sum() * (1 - floor) * excess / excess.sum().clamp(min=TINY)
    return torch.where(is_active, floor + shares, 1.0)
