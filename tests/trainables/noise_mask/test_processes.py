"""Several real processes train together: what one would, where masks come from no policy, and always one model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.group import first_gradients, run_group
from tests.support.loops import same, timeless
from tests.support.tiny_noise import OBJECTIVE, build
from trainables.processes import Processes
from trainables.training.loop import Loop

# seven images a batch: one process has a row more than the other
SETTINGS = {
    "none": {"objective": "none", "erase": 0.5, "batch_size": 7, "epochs": 2},
    "random": {"objective": "random", "batch_size": 7, "epochs": 2},
    "reinforce": {"objective": "reinforce", "batch_size": 7, "epochs": 2},
    "samples": {"objective": "reinforce", "samples": 2, "batch_size": 7, "epochs": 2},
    "literal": {"objective": "literal", "batch_size": 7, "epochs": 2},
    "rsample": {"objective": "rsample", "batch_size": 7, "epochs": 2},
}


def trained(settings: dict, processes: Processes | None = None) -> dict:
    loop = Loop(build(processes=processes, **settings), OBJECTIVE)
    reports = [loop.run_epoch() for _ in range(2)]
    numbers = [{key: value for key, value in report.items() if isinstance(value, float | int)} for report in reports]
    return {"weights": loop.weights(), "reports": numbers}


def work(processes: Processes, _folder: Path) -> dict[str, dict]:
    return {
        name: {**trained(settings, processes), "gradients": first_gradients(build(processes=processes, **settings))}
        for name, settings in SETTINGS.items()
    }


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> list[dict[str, dict]]:
    return run_group(work, 2, tmp_path_factory.mktemp("together"))


@pytest.mark.parametrize("name", ["none", "random"])
def test_two_processes_make_the_step_that_one_does(together, name):
    gradients = first_gradients(build(**SETTINGS[name]))
    assert sum(float(each.abs().max()) > 1e-4 for each in gradients) > 10
    for each in together:
        for mine, whole in zip(each[name]["gradients"], gradients, strict=True):
            torch.testing.assert_close(mine, whole, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["none", "random"])
def test_two_processes_train_about_the_model_that_one_does(together, name):
    alone = trained(SETTINGS[name])
    for each in together:
        for report, expected in zip(each[name]["reports"], alone["reports"], strict=True):
            for key in ("health/mask_mean", "health/mask_std"):
                assert report[key] == pytest.approx(expected[key], rel=1e-4), key
            for key in ("raw/cross_entropy", "val/nll_maskfree"):
                assert report[key] == pytest.approx(expected[key], rel=0.05), key


@pytest.mark.parametrize("name", SETTINGS)
def test_both_processes_have_the_same_model_and_figures(together, name):
    one, other = (each[name] for each in together)
    assert same(one["weights"], other["weights"])
    for mine, theirs in zip(one["reports"], other["reports"], strict=True):
        assert timeless(mine) == timeless(theirs)
