"""Several real processes train together: what one would, where masks come from no policy, and always one model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from group import first_gradients, run_group
from tiny_noise import build

from trainables.loop import Loop
from trainables.objective import Goal, Objective

GROUP = """
import json, os, sys
from pathlib import Path
import torch
import torch._dynamo
import torch.multiprocessing
from group import first_gradients
from tiny_noise import build
from trainables.loop import Loop
from trainables.objective import Goal, Objective
from trainables.processes import Processes

def work(rank, out):
    os.environ["RANK"] = str(rank)
    torch.set_num_threads(1)
    processes = Processes.from_environment()
    found = []
    for settings in json.loads((out / "settings.json").read_text()):
        gradients = first_gradients(build(processes=processes, **settings))
        loop = Loop(build(processes=processes, **settings), Objective((Goal("val/accuracy_balanced_maskfree"),)))
        reports = [loop.epoch() for _ in range(2)]
        numbers = [{k: v for k, v in report.items() if isinstance(v, float | int)} for report in reports]
        found.append({"weights": loop.weights(), "reports": numbers, "gradients": gradients})
    torch.save(found, out / f"rank-{rank}.pt")
    processes.barrier()
    processes.leave()

torch.multiprocessing.start_processes(work, (Path(sys.argv[1]),), nprocs=2, start_method="fork")
"""
# seven images a batch: one process has a row more than the other
SETTINGS = {
    "none": {"objective": "none", "erase": 0.5, "batch_size": 7, "epochs": 2},
    "random": {"objective": "random", "batch_size": 7, "epochs": 2},
    "reinforce": {"objective": "reinforce", "batch_size": 7, "epochs": 2},
    "samples": {"objective": "reinforce", "samples": 2, "batch_size": 7, "epochs": 2},
    "literal": {"objective": "literal", "batch_size": 7, "epochs": 2},
    "rsample": {"objective": "rsample", "batch_size": 7, "epochs": 2},
}


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    (folder / "settings.json").write_text(json.dumps(list(SETTINGS.values())))
    return run_group(GROUP, 2, folder)


def of(together: Path, name: str) -> list[dict]:
    place = list(SETTINGS).index(name)
    return [torch.load(together / f"rank-{rank}.pt", weights_only=True)[place] for rank in (0, 1)]


@pytest.mark.parametrize("name", ["none", "random"])
def test_two_processes_make_the_step_that_one_does(together, name):
    gradients = first_gradients(build(**SETTINGS[name]))
    assert sum(float(each.abs().max()) > 1e-4 for each in gradients) > 10
    for found in of(together, name):
        for mine, whole in zip(found["gradients"], gradients, strict=True):
            torch.testing.assert_close(mine, whole, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["none", "random"])
def test_two_processes_train_about_the_model_that_one_does(together, name):
    loop = Loop(build(**SETTINGS[name]), Objective((Goal("val/accuracy_balanced_maskfree"),)))
    reports = [loop.epoch() for _ in range(2)]
    for found in of(together, name):
        for report, expected in zip(found["reports"], reports, strict=True):
            for key in ("health/mask_mean", "health/mask_std"):
                assert report[key] == pytest.approx(expected[key], rel=1e-4), key
            for key in ("raw/cross_entropy", "val/nll_maskfree"):
                assert report[key] == pytest.approx(expected[key], rel=0.05), key


@pytest.mark.parametrize("name", SETTINGS)
def test_both_processes_have_the_same_model_and_figures(together, name):
    one, other = of(together, name)
    assert one["weights"].keys() == other["weights"].keys()
    assert all(torch.equal(value, other["weights"][key]) for key, value in one["weights"].items())
    for mine, theirs in zip(one["reports"], other["reports"], strict=True):
        figures = {key: value for key, value in mine.items() if not key.startswith("time/")}
        assert figures == {key: theirs[key] for key in figures}
