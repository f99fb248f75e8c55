"""What reaches each part of a network: its gradients before clipping, and how much a step changes its weights.

A part that no gradient reaches (a dead layer, a head that is cut off) is seen here and in no loss. What is not reported
is the sum of absolute gradients after clipping, with bounds such as 50 to 200: clipped to a norm of 1, the sum over n
weights is at most √n whatever the gradient is (1,087 for 1.18 million), and it grows with the width of the network.
What can be compared is the ratio of a step to the weights, about 1e-3 where training goes well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm


class GradientReport:
    """Figures of every named part, at every `every`-th step, as tensors on the device: reading one would wait for it.

    `before_clipping`, then the clipping and the optimiser's step, then `after_step`. Without parts it does nothing.

    Args:
        parts: by the names that the figures end with; parameters that are not trained are left out.
        clip_norm: to which gradients are clipped; 0 where they are not.
        every: steps from one report on the parts to the next.
    """

    def __init__(self, parts: Mapping[str, nn.Module], clip_norm: float, every: int = 16) -> None:
        trained = {name: [each for each in part.parameters() if each.requires_grad] for name, part in parts.items()}
        self.parts = {name: parameters for name, parameters in trained.items() if parameters}
        self.clip_norm = clip_norm
        self.every = every
        self._before: dict[str, list[Tensor]] = {}

    def before_clipping(self, step: int, norm: Tensor) -> dict[str, Tensor]:
        """Whether this step is clipped, and of every `every`-th step what the gradients are.

        Args:
            step: counted from 0.
            norm: of all gradients.

        Returns:
            `health/clipped_share`, 0 or 1; and of every part `health/gradient_norm_…`, `health/gradient_largest_…`
            (absolute), `health/gradient_zeros_…` (share of exact zeros; a parameter without gradient is all zeros) and,
            of several parts, `health/gradient_ratio_…`: the norm over that of all others, 0 where theirs is 0.
        """
        if not self.parts:
            return {}
        clipped = norm.detach() > self.clip_norm if self.clip_norm > 0 else torch.zeros_like(norm)
        report = {"health/clipped_share": clipped.float()}
        if step % self.every == 0:
            for name, parameters in self.parts.items():
                report |= _gradients(name, parameters)
            report |= _ratios({name: report[f"health/gradient_norm_{name}"] for name in self.parts})
            self._before = {name: _copies(parameters) for name, parameters in self.parts.items()}
        return report

    def after_step(self) -> dict[str, Tensor]:
        """`health/update_ratio_…` of every part, ‖change‖ / ‖weights before‖, at the steps that are reported on.

        It is 0 where all weights were 0.
        """
        before, self._before = self._before, {}
        return {f"health/update_ratio_{name}": _ratio(before[name], self.parts[name]) for name in before}


def _gradients(name: str, parameters: Sequence[nn.Parameter]) -> dict[str, Tensor]:
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad.detach() for each in parameters]
    other = torch.stack([each.count_nonzero() for each in gradients]).sum()
    return {
        f"health/gradient_norm_{name}": get_total_norm(gradients),
        f"health/gradient_largest_{name}": get_total_norm(gradients, math.inf),
        f"health/gradient_zeros_{name}": 1 - other / sum(each.numel() for each in gradients),
    }


def _ratios(norms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {}
    for name, norm in norms.items() if len(norms) > 1 else []:
        others = torch.stack([each for other, each in norms.items() if other != name]).square().sum().sqrt()
        found[f"health/gradient_ratio_{name}"] = torch.where(others > 0, norm / others, 0.0)
    return found


def _copies(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [each.detach().clone() for each in parameters]


def _ratio(before: Sequence[Tensor], parameters: Sequence[nn.Parameter]) -> Tensor:
    change = get_total_norm([now.detach() - then for now, then in zip(parameters, before, strict=True)])
    size = get_total_norm(before)
    return torch.where(size > 0, change / size, 0.0)
