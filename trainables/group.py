"""A trial that several processes train together: ray.train starts them, `trainables.processes` lets them cooperate.

Nothing stops such a trial on the way, so it is for trainings in full. It has as many GPUs as processes, or none.
"""

from __future__ import annotations

import shutil
import traceback
from typing import Any

import torch
from ray.train import RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer

from trainables.files import ERROR, RESULT, read_lines, replace_text, why_it_died
from trainables.loop import DivergedError
from trainables.processes import Processes
from trainables.settings import one_line
from trainables.tune import Task, Trial

NOTES = "ray_train"  # what ray.train writes for itself; the trial's record is complete without it


class GroupTrial(Trial):
    """Trains the config of one trial to its end, in one `step`, on several processes of ray.train."""

    def _advance(self) -> dict[str, Any]:
        gpus = self.task.gpus > 0
        trainer = TorchTrainer(
            _train_in_group,
            train_loop_config={"task": self.task, "training": (self.params, self.seed, self.path, self.origin)},
            scaling_config=ScalingConfig(
                num_workers=self.task.processes,
                use_gpu=gpus,
                resources_per_worker={"CPU": self.task.cpus, **({"GPU": 1} if gpus else {})},
            ),
            run_config=RunConfig(name=NOTES, storage_path=str(self.path)),
        )
        with self.watchdog():
            try:
                trainer.fit()
            except TrainingFailedError as error:
                return self._failed(why_it_died(self.path) or one_line(error), str(error))
            finally:
                shutil.rmtree(self.path / NOTES, ignore_errors=True)
        return {**read_lines(self.path / RESULT)[-1], "done": True}


def _train_in_group(config: dict[str, Any]) -> None:
    """What each process of a group does."""
    task: Task = config["task"]
    torch.set_num_threads(max(1, int(task.cpus)))
    processes = Processes.from_environment()
    params, seed, path, origin = config["training"]
    device = torch.device("cuda" if task.gpus > 0 and torch.cuda.is_available() else "cpu")
    try:
        training = task.training(params, seed, path, device, origin, processes)
        while not training.loop.finished:
            training.epoch()
        training.close()
    except Exception as error:
        reason = str(error) if isinstance(error, DivergedError) else f"{type(error).__name__}: {one_line(error)}"
        replace_text(path / ERROR, f"{reason}\n\n{traceback.format_exc()}")
        raise
