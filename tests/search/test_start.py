"""A Ray that is slow to start or never does, and a signal meanwhile, on the real Ray: one process of it is replaced."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.interruption import list_descendants
from tests.support.simulated import add, board
from trainables.files import write_yaml

pytestmark = pytest.mark.xdist_group("ray")

COMMAND = """
import sys
from search.ray_environment import quiet_ray
quiet_ray(float(sys.argv[1]))
from ray._private import services
setattr(services, sys.argv[2], sys.argv[3])
from search.run import main
from trainables.commands import run_command
del sys.argv[1:4]
run_command(main)
"""
PROCESSES = ("GCS_SERVER_EXECUTABLE", "RAYLET_EXECUTABLE")


def start(folder: Path, process: str, patience: float, *words: str) -> subprocess.Popen[str]:
    """Start a search under a Ray of which one process never gets ready."""
    stub = folder / "stub"
    stub.write_text("#!/bin/sh\nexec sleep 1000\n")
    stub.chmod(0o755)
    arguments = [str(patience), process, str(stub), *words, f"ray_start_timeout_s={patience}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-uc", COMMAND, *arguments], start_new_session=True, **pipes)


def new_run(folder: Path) -> list[str]:
    write_yaml(folder / "space.yaml", board(folder / "other").space.source)
    return [f"space={folder}/space.yaml", f"storage={folder}", "name=run"]


def session(process: subprocess.Popen[str]) -> list[int]:
    """List the living processes of a command's session, or that name its stub."""
    pids = []
    for pid in list_descendants() | {int(file.name) for file in Path("/proc").iterdir() if file.name.isdigit()}:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(state[3]) == process.pid and state[0] != "Z":
            pids.append(pid)
    return pids


def wait_until_none_is_left(process: subprocess.Popen[str]) -> list[int]:
    until = time.monotonic() + 20
    while session(process) and time.monotonic() < until:
        time.sleep(0.2)
    return session(process)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_ray_that_does_not_start_is_tried_twice_and_leaves_a_sentence_and_nothing_else(tmp_path, name):
    process = start(tmp_path, name, 4, *new_run(tmp_path))
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 2, output + errors
    assert "starting Ray …" in output
    assert output.count("trying once more") == 1
    [sentence] = [line for line in errors.splitlines() if line.startswith("error:")]
    assert sentence.startswith("error: Ray did not start in two tries")
    assert "ray_start_timeout_s=8" in sentence
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()
    assert wait_until_none_is_left(process) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", PROCESSES)
def test_a_signal_ends_a_start_at_once_and_leaves_nothing(tmp_path, name, number):
    process = start(tmp_path, name, 100, *new_run(tmp_path))
    until = time.monotonic() + 120
    while not any(b"sleep" in command_line(pid) for pid in session(process)):
        assert time.monotonic() < until, process.kill()
        time.sleep(0.1)
    sent = time.monotonic()
    os.kill(process.pid, number)
    output, errors = process.communicate(timeout=60)
    assert time.monotonic() - sent < 15
    assert process.returncode == 128 + number, output + errors
    assert "interrupted while Ray was starting; nothing is lost" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()
    assert wait_until_none_is_left(process) == []


def test_a_run_that_is_resumed_stays_when_ray_does_not_start(tmp_path):
    on = board(tmp_path / "mine")
    on.folder.write_settings({"space": "curves", "space_name": "curves", "storage": str(tmp_path)})
    add(on, {"x": 0.3, "y": 0.7}, epochs=2)
    record = (on.folder.path / "trial_0000" / "trial.json").read_bytes()
    process = start(tmp_path, "RAYLET_EXECUTABLE", 3, f"resume={on.folder.path}")
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 2, output + errors
    assert (on.folder.path / "trial_0000" / "trial.json").read_bytes() == record


def test_an_address_where_nothing_answers_is_tried_twice(tmp_path):
    words = [sys.executable, "-m", "search.run", *new_run(tmp_path), "address=127.0.0.1:1", "ray_start_timeout_s=2"]
    process = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 2, process.stdout + process.stderr
    assert process.stdout.count("trying once more") == 1
    assert "error: address=127.0.0.1:1: " in process.stderr
    assert not (tmp_path / "run").exists()


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
