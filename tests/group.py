"""Several real processes that train together, in an environment as torchrun makes it, and what is compared of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

from trainables.contract import Variant


def run_group(script: str, world: int, folder: Path) -> Path:
    """Run a script that starts `world` processes; its argument is the folder, which is given back."""
    (folder / "work.py").write_text(script)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tests = Path(__file__).parent
    environment = {
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")]),
    }
    started = [sys.executable, str(folder / "work.py"), str(folder)]
    subprocess.run(started, check=True, env={**os.environ, **environment}, timeout=120)
    return folder


def first_gradients(variant: Variant) -> list[torch.Tensor]:
    """Of a training's first step, averaged over its processes; 0 where there is none.

    Weights after an epoch say less: AdamW takes the sign of gradients that are nothing but rounding, which hangs on the
    processor.
    """
    variant.train_mode(0)
    torch.autograd.backward(variant.step(next(iter(variant.batches(0))), 0).loss)
    parameters = [each for group in variant.parameter_groups() for each in group["params"]]
    variant.processes.average_gradients(parameters)
    return [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
