"""Several real processes train together: the same weights and figures as one, to rounding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from group import run_group
from tiny_gaze import build

from trainables.loop import Loop
from trainables.objective import Goal, Objective

GROUP = """
import json, os, sys
from pathlib import Path
import torch
import torch._dynamo
import torch.multiprocessing
from tiny_gaze import build
from trainables.loop import Loop
from trainables.objective import Goal, Objective
from trainables.processes import Processes

def work(rank, out):
    os.environ["RANK"] = str(rank)
    torch.set_num_threads(1)
    processes = Processes.from_environment()
    found = []
    for settings in json.loads((out / "settings.json").read_text()):
        loop = Loop(build(out / "cache", processes=processes, **settings), Objective((Goal("val/nss"),)))
        reports = [loop.epoch() for _ in range(2)]
        numbers = [{k: v for k, v in report.items() if isinstance(v, float | int)} for report in reports]
        found.append({"weights": loop.weights(), "reports": numbers})
    torch.save(found, out / f"rank-{rank}.pt")
    processes.barrier()
    processes.leave()

torch.multiprocessing.start_processes(work, (Path(sys.argv[1]),), nprocs=2, start_method="fork")
"""
# no number of images is a multiple of the batch's, so that a process may have more rows that count than the other
SETTINGS = {
    "plain": {"where": {"train_size": 9, "val_size": 5}},
    "entropy": {
        "regulariser": "entropy", "lambda_eff": 0.5, "compute_every": 2, "n_uniform": 5,
        "where": {"train_size": 9, "val_size": 5},
    },
    "dropout": {"regulariser": "dropout", "centre_bias_dropout": 0.5, "where": {"train_size": 10, "val_size": 5}},
    "history": {
        "regulariser": "entropy", "n_uniform": 3, "history": "real", "spatial_share": 0.5,
        "where": {"train_size": 9, "val_size": 5, "saccade": 0.1},
    },
    "one uniform image": {"regulariser": "entropy", "lambda_eff": 0.5, "n_uniform": 1, "where": {"train_size": 8}},
}  # fmt: skip


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    (folder / "settings.json").write_text(json.dumps(list(SETTINGS.values())))
    return run_group(GROUP, 2, folder)


@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_train_the_model_that_one_does(together, name):
    loop = Loop(build(together / "cache", **SETTINGS[name]), Objective((Goal("val/nss"),)))
    reports = [loop.epoch() for _ in range(2)]
    weights = loop.weights()
    first = build(together / "cache", **SETTINGS[name]).net.state_dict()
    assert (
        max(float((weights[key].float() - value.float()).abs().max()) for key, value in first.items()) > 3e-3
    )  # it does learn
    for rank in range(2):
        found = torch.load(together / f"rank-{rank}.pt", weights_only=True)[list(SETTINGS).index(name)]
        assert found["weights"].keys() == weights.keys()
        for key, value in weights.items():
            torch.testing.assert_close(found["weights"][key], value, rtol=1e-3, atol=2e-5, msg=key)
        for report, expected in zip(found["reports"], reports, strict=True):
            for key, value in expected.items():
                if isinstance(value, float) and not key.startswith("time/"):
                    assert report[key] == pytest.approx(value, rel=2e-3, abs=1e-4), key


def test_both_report_the_same_figures_of_all_images(together):
    one, other = (torch.load(together / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1))
    for mine, theirs in zip(one, other, strict=True):
        for report, expected in zip(mine["reports"], theirs["reports"], strict=True):
            figures = {key: value for key, value in report.items() if key.startswith("val/")}
            assert figures == {key: expected[key] for key in figures}
