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
    """Rank and number of the cooperating processes; `Processes()` is a single one, which every method leaves alone."""

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

    def rows(self, batch: Tensor) -> Tensor:
        """Take this rank's rows of a whole batch `[B, …]`: every world-th one."""
        return batch[self.rank :: self.world]

    def sum(self, value: Tensor) -> Tensor:
        """Sum over all processes; detached."""
        if self.world == 1:
            return value.detach()
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    def mean(self, value: Tensor) -> Tensor:
        """Average over all processes; detached."""
        return self.sum(value) / self.world

    def batch_mean(self, values: Tensor) -> Tensor:
        """Compute this process's share of the mean over the whole batch; the mean over processes of it is exact.

        Args:
            values: of this process's rows, any shape; processes may have different numbers of rows.
        """
        return values.sum() * self.world / self.sum(torch.ones_like(values).sum())

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes."""
        if self.world == 1:
            return
        for parameter in parameters:
            if parameter.grad is not None:  # a step gives the same parameters a gradient on every rank
                dist.all_reduce(parameter.grad)
                parameter.grad /= self.world

    def gather_rows(self, rows: Tensor, total: int) -> Tensor:
        """Gather `[total, …]` of the rows that every rank has, in the order before `rows` took them apart."""
        if self.world == 1:
            return rows
        longest = -(-total // self.world)  # all_gather needs the same shape of every rank
        padding = rows.new_zeros((longest, *rows.shape[1:]))
        padding[: len(rows)] = rows
        parts = [torch.empty_like(padding) for _ in range(self.world)]
        dist.all_gather(parts, padding)
        return torch.stack(parts, dim=1).flatten(0, 1)[:total]

    def indices(self, total: int) -> range:
        """Return the indices of this rank's share of `total` items: every world-th one."""
        return range(self.rank, total, self.world)

    def gather(self, items: list[Item], total: int) -> list[Item]:
        """Gather the `total` items of which every rank has a share; they may be of any kind and size."""
        if self.world == 1:
            return items
        parts: list[list[Item]] = [[] for _ in range(self.world)]
        dist.all_gather_object(parts, items)
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
        """Wait for all processes."""
        if self.world > 1:
            dist.barrier()

    def leave(self) -> None:
        """Leave the group."""
        if self.world > 1:
            dist.destroy_process_group()


def pick_device(device: str) -> torch.device:
    """Pick the device that a command line names: `auto` is the GPU if there is one."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)
