"""Several real processes that train together, in an environment as torchrun makes it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path


def run_group(script: str, world: int, folder: Path) -> Path:
    """Run a script that starts `world` processes; its argument is the folder, which is given back."""
    (folder / "group.py").write_text(script)
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
    started = [sys.executable, str(folder / "group.py"), str(folder)]
    subprocess.run(started, check=True, env={**os.environ, **environment}, timeout=120)
    return folder
