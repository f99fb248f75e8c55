"""Gradients of each part of a network before clipping, and how much a step changes the part's weights.

A part that no gradient reaches (a dead layer, a head that is cut off) shows here and in no loss. Not reported is the
sum of absolute gradients after clipping, with bounds such as 50 to 200: clipped to a norm of 1, the sum over n weights
is at most √n whatever the gradient is (1,087 for 1.18 million), and it grows with the width of the network. What can be
compared between networks is the ratio of a step to the weights, about 1e-3 where training goes well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm


class GradientReport:
    """Gradient metrics of named parts, every few steps, as tensors on the device: reading one would wait for it.

    Call `measure_gradients`, then clip and step, then `measure_update`. Without parts it does nothing.

    Args:
        parts: by the names that the metrics end with; parameters that are not trained are left out.
        clip_norm: to which gradients are clipped; 0 where they are not.
        interval: steps from one report on the parts to the next.
    """

    def __init__(self, parts: Mapping[str, nn.Module], clip_norm: float, interval: int = 16) -> None:
        trainable = {name: [p for p in part.parameters() if p.requires_grad] for name, part in parts.items()}
        self.parts = {name: parameters for name, parameters in trainable.items() if parameters}
        self.clip_norm = clip_norm
        self.interval = interval
        self._before: dict[str, list[Tensor]] = {}

    def measure_gradients(self, step: int, norm: Tensor) -> dict[str, Tensor]:
        """Report whether this step is clipped and, every `interval` steps, the gradients of the parts.

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
        is_clipped = norm.detach() > self.clip_norm if self.clip_norm > 0 else torch.zeros_like(norm)
        report = {"health/clipped_share": is_clipped.float()}
        if step % self.interval == 0:
            for name, parameters in self.parts.items():
                report |= _gradients(name, parameters)
            report |= _ratios({name: report[f"health/gradient_norm_{name}"] for name in self.parts})
            self._before = {name: _copies(parameters) for name, parameters in self.parts.items()}
        return report

    def measure_update(self) -> dict[str, Tensor]:
        """Report `health/update_ratio_…` of every part, ‖change‖ / ‖weights before‖, at the steps of the interval.

        It is 0 where all weights were 0.
        """
        before, self._before = self._before, {}
        return {f"health/update_ratio_{name}": _ratio(before[name], self.parts[name]) for name in before}


def _gradients(name: str, parameters: Sequence[nn.Parameter]) -> dict[str, Tensor]:
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad.detach() for p in parameters]
    nonzero = torch.stack([gradient.count_nonzero() for gradient in gradients]).sum()
    return {
        f"health/gradient_norm_{name}": get_total_norm(gradients),
        f"health/gradient_largest_{name}": get_total_norm(gradients, math.inf),
        f"health/gradient_zeros_{name}": 1 - nonzero / sum(gradient.numel() for gradient in gradients),
    }


def _ratios(norms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    ratios = {}
    for name, norm in norms.items() if len(norms) > 1 else []:
        rest = torch.stack([norms[key] for key in norms if key != name]).square().sum().sqrt()
        ratios[f"health/gradient_ratio_{name}"] = torch.where(rest > 0, norm / rest, 0.0)
    return ratios


def _copies(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def _ratio(before: Sequence[Tensor], parameters: Sequence[nn.Parameter]) -> Tensor:
    change = get_total_norm([new.detach() - old for new, old in zip(parameters, before, strict=True)])
    size = get_total_norm(before)
    return torch.where(size > 0, change / size, 0.0)
