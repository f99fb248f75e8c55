"""A trial that several processes train together: ray.train starts them, `trainables.processes` lets them cooperate.

No scheduler stops such a trial early, so it is for trainings in full. It has as many GPUs as processes, or none.
"""

from __future__ import annotations

import shutil
import traceback
from pathlib import Path
from typing import Any

import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer

from trainables.files import ERROR, RESULT, failure_reason, read_lines, replace_file
from trainables.processes import Processes
from trainables.settings import first_line
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
                lines = [line for line in str(error).splitlines() if line.strip()]
                return self._fail(
                    failure_reason(self.path) or (lines or ["its processes died"])[-1].strip(), str(error)
                )
            finally:
                shutil.rmtree(self.path / RAY_FOLDER, ignore_errors=True)
        reason = failure_reason(self.path)
        return self._fail(reason) if reason else {**read_lines(self.path / RESULT)[-1], "done": True}


def _train_in_group(config: dict[str, Any]) -> None:
    """Train in one process of a group. A training that fails by itself leaves the reason, and is not restarted."""
    task: Task = config["task"]
    params, seed, path, origin = config["training"]
    if failure_reason(path):
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
        _write_reason(path, processes, str(error))
    except Exception as error:  # one alone may have failed: only its end wakes those that wait for it
        _write_reason(path, processes, f"{type(error).__name__}: {first_line(error)}")
        raise


def _write_reason(path: Path, processes: Processes, reason: str) -> None:
    """Write why the training failed: each process to a file of its own, of which the last one remains."""
    partial = path / f".{ERROR}.{processes.rank}"
    partial.write_text(f"{reason}\n\n{traceback.format_exc()}", encoding="utf-8")
    replace_file(partial, path / ERROR)
