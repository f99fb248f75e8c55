"""A trial that several processes train together: ray.train starts them, `trainables.processes` lets them cooperate.

No scheduler stops such a trial early, so it is for trainings in full. It has as many GPUs as processes, or none.
"""

from __future__ import annotations

import shutil
import traceback
from typing import Any

import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer

from trainables.failures import Failure, find_system_error, read_failure
from trainables.files import RESULT, read_lines
from trainables.processes import Processes
from trainables.training.monitor import DivergedError
from trainables.trials.trial import Task, Trial

RESTARTS = 2  # of a group of which a process was killed from outside; it resumes from the checkpoint
RAY_FOLDER = "ray_train"  # ray.train's own files; the trial's record is complete without them


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
            run_config=RunConfig(
                name=RAY_FOLDER, storage_path=str(self.path), failure_config=FailureConfig(max_failures=RESTARTS)
            ),
        )
        with self.watchdog():
            try:
                trainer.fit()
            except TrainingFailedError as error:
                return self._fail(read_failure(self.path) or _group_failure(error), str(error))
            finally:
                shutil.rmtree(self.path / RAY_FOLDER, ignore_errors=True)
        failure = read_failure(self.path)
        return self._fail(failure) if failure else {**read_lines(self.path / RESULT)[-1], "done": True}


def _train_in_group(config: dict[str, Any]) -> None:
    """Train in one process of a group. A training that fails by itself leaves the reason, and is not restarted."""
    task: Task = config["task"]
    params, seed, path, origin = config["training"]
    if read_failure(path):
        return
    torch.set_num_threads(max(1, int(task.cpus)))
    processes = Processes.from_environment()
    device = torch.device("cuda" if task.gpus > 0 and torch.cuda.is_available() else "cpu")
    try:
        training = task.training(params, seed, path, device, origin, processes)
        while not training.loop.finished:
            training.run_epoch()
        training.close()
    except DivergedError as error:  # all processes see it, so all return
        Failure(str(error)).write(path, traceback.format_exc())
    except Exception as error:  # one alone may have failed: only its end wakes those that wait for it
        task.failure(error).write(path, traceback.format_exc())
        raise


def _group_failure(error: TrainingFailedError) -> Failure:
    """Tell a group's failure from what ray.train says of it, where no process could leave word."""
    exceptions = getattr(error, "worker_failures", {}).values()
    failures = [Failure.from_exception(exception) for exception in exceptions if find_system_error(exception)]
    lines = [line for line in str(error).splitlines() if line.strip()]
    return failures[0] if failures else Failure((lines or ["its processes died"])[-1].strip())
