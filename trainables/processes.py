"""The processes of one training: a single one, or those that `torchrun` started.

Gradients are averaged by the loop, not by a wrapper around the model, because a variant's step may run several
models and differentiate parts of its loss on its own. Every rank draws the randomness of the whole batch and takes
its own rows, so that N processes compute what one would.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

Item = TypeVar("Item")


@dataclass(frozen=True)
class Processes:
    """Rank and number of the cooperating processes; `Processes()` is a single one, for which all of this is free."""

    rank: int = 0
    world: int = 1

    @classmethod
    def from_environment(cls) -> Processes:
        """Join the group that `torchrun` or ray.train describes in the environment (nccl on GPUs, gloo on CPUs)."""
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return cls()
        if dist.is_initialized():  # ray.train has done so
            return cls(dist.get_rank(), world)
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), world)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def rows(self, whole: Tensor) -> Tensor:
        """This rank's rows of a whole batch `[B, …]`: every world-th one."""
        return whole[self.rank :: self.world]

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes, detached."""
        if self.world == 1:
            return value.detach()
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes, detached."""
        return self.sum(value) / self.world

    def batch_mean(self, each: Tensor) -> Tensor:
        """This process's share of the mean over the whole batch: the mean over processes of the result is exact.

        Args:
            each: of this process's rows, any shape; processes may have different numbers of rows.
        """
        return each.sum() * self.world / self.sum(torch.ones_like(each).sum())

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes."""
        if self.world == 1:
            return
        for parameter in parameters:
            if parameter.grad is not None:  # a step gives the same parameters a gradient on every rank
                dist.all_reduce(parameter.grad)
                parameter.grad /= self.world

    def gather_rows(self, mine: Tensor, total: int) -> Tensor:
        """Put back together `[total, …]` what `rows` took apart."""
        if self.world == 1:
            return mine
        longest = -(-total // self.world)
        padded = mine.new_zeros((longest, *mine.shape[1:]))
        padded[: len(mine)] = mine
        parts = [torch.empty_like(padded) for _ in range(self.world)]
        dist.all_gather(parts, padded)
        return torch.stack(parts, dim=1).flatten(0, 1)[:total]

    def places(self, total: int) -> range:
        """This rank's share of `total` things of any kind, as their indices: every world-th one."""
        return range(self.rank, total, self.world)

    def gather(self, mine: list[Item], total: int) -> list[Item]:
        """Put back together the `total` things whose share each rank has; they may be of any kind and size."""
        if self.world == 1:
            return mine
        parts: list[list[Item]] = [[] for _ in range(self.world)]
        dist.all_gather_object(parts, mine)
        return [parts[index % self.world][index // self.world] for index in range(total)]

    def average_buffers(self, modules: Iterable[torch.nn.Module]) -> None:
        """Replace every floating-point buffer (such as the statistics of batch normalisation) by its mean."""
        if self.world == 1:
            return
        for module in modules:
            for buffer in filter(torch.is_floating_point, module.buffers()):
                dist.all_reduce(buffer)
                buffer.div_(self.world)

    def barrier(self) -> None:
        """Wait for all."""
        if self.world > 1:
            dist.barrier()

    def leave(self) -> None:
        """Leave the group."""
        if self.world > 1:
            dist.destroy_process_group()


def pick(device: str) -> torch.device:
    """The device of a command line's word: `auto` is the GPU if there is one."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)
