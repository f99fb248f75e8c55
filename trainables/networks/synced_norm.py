"""Batch normalisation over the whole batch of several processes, on CPUs and GPUs alike.

`torch.nn.SyncBatchNorm` refuses tensors that are not on a GPU, and so could not be tried where most tests run.

Source: Ioffe and Szegedy 2015, Batch Normalization, algorithms 1 and 2.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.settings import UsageError

_KNOWN = (nn.BatchNorm1d, nn.BatchNorm2d)


def synchronised(module: nn.Module, processes: int) -> nn.Module:
    """The module, in place, with all batch norms seeing the whole batch; as it is for a single process.

    Its parameters and the names of its state stay the same.

    Raises:
        UsageError: a batch norm of a kind that computes something else, too.
    """
    if processes == 1:
        return module
    for name, each in list(module.named_modules()):
        if not isinstance(each, _BatchNorm):
            continue
        if type(each) not in _KNOWN:
            raise UsageError(
                f"the {type(each).__name__} at {name} cannot be synchronised: train in one process, or take a backbone "
                "with plain batch norms, such as a resnet."
            )
        each.__class__ = SyncedBatchNorm
    return module


class SyncedBatchNorm(_BatchNorm):
    """A batch norm whose mean and variance in training are those over all processes' rows; every process has some."""

    def forward(self, values: Tensor) -> Tensor:
        """`[b, C, …]` of `[b, C, …]`."""
        if not self.training:
            return super().forward(values)
        with torch.autocast(values.device.type, enabled=False):
            return self._whole(values.float()).to(values.dtype)

    def _whole(self, values: Tensor) -> Tensor:
        dims = [0, *range(2, values.ndim)]
        count = _summed(values.new_tensor(values.numel() / values.shape[1]))
        mean = _summed(values.sum(dims)) / count
        shape = [1, -1, *[1] * (values.ndim - 2)]
        centred = values - mean.view(shape)
        variance = _summed(centred.square().sum(dims)) / count  # in two passes, as squares less squares cancel
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        normed = centred * (variance + self.eps).rsqrt().view(shape)
        return normed if self.weight is None else normed * self.weight.view(shape) + self.bias.view(shape)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """The running statistics, as `torch.nn.BatchNorm2d` has them."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, factor)
        self.running_var.lerp_(variance, factor)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"a batch norm takes [b, C, …], and not {list(input.shape)}")


class _Summed(torch.autograd.Function):
    """The sum over all processes; what each of them makes of it adds to the gradient."""

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


def _summed(value: Tensor) -> Tensor:
    found: Tensor = _Summed.apply(value) if dist.is_initialized() else value
    return found
