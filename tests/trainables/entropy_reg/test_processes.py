"""Several real processes train together: the same weights and figures as one, to rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.group import run_group
from tests.support.loops import timeless
from tests.support.tiny_gaze import build
from trainables.objective import Goal, Objective
from trainables.processes import Processes
from trainables.training.loop import Loop

OBJECTIVE = Objective((Goal("val/nss"),))
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


def trained(cache: Path, settings: dict, processes: Processes | None = None) -> dict:
    loop = Loop(build(cache, processes=processes, **settings), OBJECTIVE)
    reports = [loop.run_epoch() for _ in range(2)]
    numbers = [{key: value for key, value in report.items() if isinstance(value, float | int)} for report in reports]
    return {"weights": loop.weights(), "reports": numbers}


def work(processes: Processes, folder: Path) -> dict[str, dict]:
    return {name: trained(folder / "cache", settings, processes) for name, settings in SETTINGS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("together")


@pytest.fixture(scope="module")
def together(folder) -> list[dict[str, dict]]:
    return run_group(work, 2, folder)


@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_train_the_model_that_one_does(together, folder, name):
    alone = trained(folder / "cache", SETTINGS[name])
    first = build(folder / "cache", **SETTINGS[name]).net.state_dict()
    changes = [(alone["weights"][key].float() - value.float()).abs().max().item() for key, value in first.items()]
    assert max(changes) > 3e-3  # it does learn
    for item in together:
        result = item[name]
        assert result["weights"].keys() == alone["weights"].keys()
        for key, value in alone["weights"].items():
            torch.testing.assert_close(result["weights"][key], value, rtol=1e-3, atol=2e-5, msg=key)
        for report, expected in zip(result["reports"], alone["reports"], strict=True):
            for key, value in timeless(expected).items():
                assert report[key] == pytest.approx(value, rel=2e-3, abs=1e-4), key


@pytest.mark.parametrize("name", SETTINGS)
def test_both_report_the_same_figures_of_all_images(together, name):
    one, other = (item[name]["reports"] for item in together)
    for mine, theirs in zip(one, other, strict=True):
        figures = {key: value for key, value in mine.items() if key.startswith("val/")}
        assert figures == {key: theirs[key] for key in figures}
