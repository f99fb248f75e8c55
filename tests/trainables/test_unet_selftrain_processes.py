"""Two real processes train together, through an iteration: what they agree on, and how close they are to one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from group import run_group
from tiny_micrographs import build

from trainables.files import RESULT, read_lines
from trainables.loop import Loop
from trainables.objective import Goal, Objective

GROUP = """
import json, os, sys
from pathlib import Path
import torch
import torch._dynamo
import torch.multiprocessing
from tiny_micrographs import build
from trainables.checkpoint import TrainingFolder
from trainables.loop import Loop
from trainables.objective import Goal, Objective
from trainables.processes import Processes

def work(rank, out):
    os.environ["RANK"] = str(rank)
    torch.set_num_threads(1)
    processes = Processes.from_environment()
    variant = build(processes=processes, **json.loads((out / "settings.json").read_text()))
    training = TrainingFolder(out / "trial", Loop(variant, Objective((Goal("val/particle_ap"),))), {})
    while not training.loop.finished:
        training.epoch()
    training.close()
    targets = [torch.from_numpy(target) for target in variant._lesson.targets]
    figures = {key: value for key, value in training.loop.report.items() if key.startswith("val/")}
    torch.save({"weights": training.loop.weights(), "targets": targets, "figures": figures}, out / f"rank-{rank}.pt")
    processes.barrier()
    processes.leave()

torch.multiprocessing.start_processes(work, (Path(sys.argv[1]),), nprocs=2, start_method="fork")
"""
SETTINGS = {
    "epochs": 3,
    "iterations": 1,
    "supervised_share": 0.67,
    "threshold_scale": "calibrated",
    "base_neg": 0.1,
    "trust_negatives": "far",
}


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    (folder / "settings.json").write_text(json.dumps(SETTINGS))
    return run_group(GROUP, 2, folder)


def test_both_have_the_same_weights_targets_and_figures(together):
    one, other = (torch.load(together / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1))
    learnt = [name for name in one["weights"] if "num_batches" not in name]
    assert all(torch.allclose(one["weights"][name], other["weights"][name]) for name in learnt)
    assert len(one["targets"]) == 4
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(one["targets"], other["targets"], strict=True))
    assert one["figures"] == other["figures"]


def test_one_of_them_writes_and_both_are_close_to_one_process(together):
    reports = read_lines(together / "trial" / RESULT)
    assert [report["epoch"] for report in reports] == [1, 2, 3]
    alone = Loop(build(**SETTINGS), Objective((Goal("val/particle_ap"),)))
    first = alone.epoch()
    assert reports[0]["raw/focal"] == pytest.approx(first["raw/focal"], rel=0.1)  # normalised by each one's own share
    assert reports[0]["train/positive_share"] == pytest.approx(first["train/positive_share"])
