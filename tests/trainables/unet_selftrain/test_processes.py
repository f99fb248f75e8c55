"""Two real processes train together, through an iteration: what they agree on, and how close they are to one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.group import run_group
from tests.support.tiny_micrographs import build
from trainables.files import RESULT, read_lines
from trainables.objective import Goal, Objective
from trainables.processes import Processes
from trainables.training.folder import TrainingFolder
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/particle_ap"),))
SETTINGS = {
    "epochs": 3,
    "iterations": 1,
    "supervised_share": 0.67,
    "threshold_scale": "calibrated",
    "base_neg": 0.1,
    "trust_negatives": "far",
}


def work(processes: Processes, folder: Path) -> dict:
    variant = build(processes=processes, **SETTINGS)
    training = TrainingFolder(folder / "trial", Loop(variant, OBJECTIVE), {})
    while not training.loop.finished:
        training.run_epoch()
    training.close()
    targets = [torch.from_numpy(target) for target in variant.lesson.targets]
    figures = {key: value for key, value in training.loop.report.items() if key.startswith("val/")}
    return {"weights": training.loop.weights(), "targets": targets, "figures": figures}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("together")


@pytest.fixture(scope="module")
def together(folder) -> list[dict]:
    return run_group(work, 2, folder)


def test_both_have_the_same_weights_targets_and_figures(together):
    one, other = together
    learnt = [name for name in one["weights"] if "num_batches" not in name]
    assert all(torch.allclose(one["weights"][name], other["weights"][name]) for name in learnt)
    assert len(one["targets"]) == 4
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(one["targets"], other["targets"], strict=True))
    assert one["figures"] == other["figures"]


@pytest.mark.usefixtures("together")
def test_one_of_them_writes_and_both_are_close_to_one_process(folder):
    reports = read_lines(folder / "trial" / RESULT)
    assert [report["epoch"] for report in reports] == [1, 2, 3]
    alone = Loop(build(**SETTINGS), OBJECTIVE)
    first = alone.run_epoch()
    assert reports[0]["raw/focal"] == pytest.approx(first["raw/focal"], rel=0.1)  # normalised by each one's own share
    assert reports[0]["train/positive_share"] == pytest.approx(first["train/positive_share"])
