"""Several processes train one trial, on a real Ray: the same figures as one process, and a failure with its reason."""

import pytest
import ray

from search.ray_environment import quiet_ray
from trainables.files import CHECKPOINT, RESULT, read_lines, trial_folder
from trainables.objective import Goal, Objective
from trainables.trials.trial import Task, Trial

pytestmark = pytest.mark.xdist_group("ray")

TINY = {"image_size": 32, "backbone": "micro", "batch_size": 8, "epochs": 2, "lr": 3e-3}


@pytest.fixture(scope="module")
def cluster():
    quiet_ray()
    ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def trained(kind, folder, processes, **params):
    task = Task(
        variant="mask_st",
        fixed=TINY,
        data={"train_size": 24, "val_size": 16},
        objective=Objective((Goal("val/auroc_macro"),)),
        folder=folder,
        seed=0,
        cpus=1,
        gpus=0,
        processes=processes,
    )
    trial = object.__new__(kind)
    trial.setup({"trial": 0, "params": params, "seed": 5, "origin": "default"}, task)
    result = trial.step()
    while not result["done"]:
        result = trial.step()
    trial.cleanup()
    return result


def test_a_group_computes_what_one_process_does_and_tells_of_its_end(cluster, tmp_path):
    from trainables.trials.group import RAY_FOLDER, GroupTrial  # noqa: PLC0415  (imports ray.train)

    alone = trained(Trial, tmp_path / "alone", 1)
    together = trained(GroupTrial, tmp_path / "together", 2)
    folder = trial_folder(tmp_path / "together", 0)
    assert together["done"]
    assert [report["epoch"] for report in read_lines(folder / RESULT)] == [1, 2]
    for key in ("train/total", "val/loss_full", "health/grad_norm"):
        assert together[key] == pytest.approx(alone[key], rel=1e-3)
    assert (folder / CHECKPOINT).exists()
    assert not (folder / RAY_FOLDER).exists()

    failed = trained(GroupTrial, tmp_path / "failed", 2, lr=1e9)
    assert failed["failed"]
    assert "became nan" in failed["stop_reason"] or "is nan" in failed["stop_reason"]
