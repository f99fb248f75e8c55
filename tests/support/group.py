"""Several real processes that train together, in an environment as torchrun makes it, and what is compared of them."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # imported here once, and not by the optimiser of each process
import torch.multiprocessing

from tests.support.repository import ROOT
from trainables.contract import Variant
from trainables.processes import Processes

Work = Callable[[Processes, Path], Any]


def run_group(work: Work, world: int, folder: Path) -> list[Any]:
    """Call a function of a test module in each of `world` processes; returns its plain values and tensors.

    Args:
        work: is called with the processes that it is one of, and the folder.
        world: number of processes.
        folder: empty, for what they write.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    started = [sys.executable, "-m", "tests.support.group", work.__module__, work.__name__, str(folder)]
    subprocess.run(started, check=True, env={**os.environ, **environment}, timeout=180)
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(world)]


def first_gradients(variant: Variant) -> list[torch.Tensor]:
    """Of a training's first step, averaged over its processes; 0 where there is none.

    Weights after an epoch say less: AdamW takes the sign of gradients that are nothing but rounding, which hangs on the
    processor.
    """
    variant.begin_epoch(0)
    torch.autograd.backward(variant.step(next(iter(variant.batches(0))), 0).loss)
    parameters = [each for group in variant.parameter_groups() for each in group["params"]]
    variant.processes.average_gradients(parameters)
    return [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]


def _one_of_them(rank: int, work: Work, folder: Path) -> None:
    os.environ["RANK"] = str(rank)
    torch.set_num_threads(1)
    processes = Processes.from_environment()
    torch.save(work(processes, folder), folder / f"rank-{rank}.pt")
    processes.barrier()
    processes.leave()


if __name__ == "__main__":
    module, name, folder = sys.argv[1:]
    work = getattr(importlib.import_module(module), name)
    torch.multiprocessing.start_processes(
        _one_of_them, (work, Path(folder)), nprocs=int(os.environ["WORLD_SIZE"]), start_method="fork"
    )
