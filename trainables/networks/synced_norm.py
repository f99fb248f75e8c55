"""Batch normalisation over the whole batch of several processes, on CPUs and GPUs alike.

`torch.nn.SyncBatchNorm` refuses tensors that are not on a GPU, and so could not be tested where most tests run.

Source: Ioffe and Szegedy 2015, Batch Normalization, algorithms 1 and 2.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.settings import UsageError

_KINDS = (nn.BatchNorm1d, nn.BatchNorm2d)


def synchronise_batch_norms(module: nn.Module, processes: int) -> nn.Module:
    """Make all batch norms of a module see the whole batch, in place; a single process leaves it as it is.

    Its parameters and the names of its state stay the same.

    Raises:
        UsageError: a batch norm of another kind, which computes more than that.
    """
    if processes == 1:
        return module
    for name, norm in list(module.named_modules()):
        if not isinstance(norm, _BatchNorm):
            continue
        if type(norm) not in _KINDS:
            raise UsageError(
                f"the {type(norm).__name__} at {name} cannot be synchronised: train in one process, or take a backbone "
                "with plain batch norms, such as a resnet."
            )
        norm.__class__ = SyncedBatchNorm
    return module


class SyncedBatchNorm(_BatchNorm):
    """A batch norm whose mean and variance in training are those over all processes' rows; every process has some."""

    def forward(self, values: Tensor) -> Tensor:
        """Normalise `[b, C, …]`."""
        if not self.training:
            return super().forward(values)
        with torch.autocast(values.device.type, enabled=False):
            return self._normalise(values.float()).to(values.dtype)

    def _normalise(self, values: Tensor) -> Tensor:
        dims = [0, *range(2, values.ndim)]
        count = _sum_over_processes(values.new_tensor(values.numel() / values.shape[1]))
        mean = _sum_over_processes(values.sum(dims)) / count
        shape = [1, -1, *[1] * (values.ndim - 2)]
        deviation = values - mean.view(shape)
        # In two passes: the mean of squares less the square of the mean would cancel.
        variance = _sum_over_processes(deviation.square().sum(dims)) / count
        self._update_statistics(mean.detach(), variance.detach() * count / (count - 1))
        scores = deviation * (variance + self.eps).rsqrt().view(shape)
        return scores if self.weight is None else scores * self.weight.view(shape) + self.bias.view(shape)

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics as `torch.nn.BatchNorm2d` does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, factor)
        self.running_var.lerp_(variance, factor)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"a batch norm takes [b, C, …], and not {list(input.shape)}")


class _AllReduceSum(torch.autograd.Function):
    """Sum over all processes, whose gradient is the sum of the processes' gradients."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _sum_over_processes(value: Tensor) -> Tensor:
    total: Tensor = _AllReduceSum.apply(value) if dist.is_initialized() else value
    return total
