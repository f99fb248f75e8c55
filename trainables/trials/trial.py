"""Any variant as a Ray Tune Trainable: the one place where Ray meets a variant.

One Ray actor runs many trials one after the other (`reset_config`), so that torch is imported once. The trial's own
folder is written by `TrainingFolder`, from the actor, into the run's folder; what Ray is told is the epoch's report.
A trial that fails by itself (an exception, a number that is not finite) ends with a reported reason, and the actor
takes the next one; `trainables.failures` tells whether the environment failed it. A trial whose process dies is
restarted by Ray and resumes from its checkpoint, unless it left a reason why that is no use: it hung until it was
killed, or it ran out of memory.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

import torch
import torch._dynamo  # the first optimiser would import it, for seconds of the first trial's time
from ray import tune
from ray.actor import exit_actor

from trainables.failures import FAILURE, TIMEOUT, Failure, read_failure
from trainables.files import trial_folder
from trainables.objective import Objective
from trainables.processes import Processes
from trainables.registry import load_outside
from trainables.settings import UsageError, first_line
from trainables.training.folder import TrainingFolder
from trainables.training.loop import Loop
from trainables.training.monitor import DivergedError


@dataclass(frozen=True)
class Task:
    """Settings that all trials of a run have in common.

    Attributes:
        folder: the run's folder, the same path on every node.
        fixed: Config fields that every trial shares; `data`: the fields of the variant's Data.
        cpus, gpus: what one trial is given; a fraction of a GPU caps the process's share of its memory.
        timeout_s: a trial that takes longer, in all, is killed, wherever it hangs.
        processes: of one trial (`trainables.trials.group`), with `cpus` and one of the `gpus` each.
        default: parameters of the default trial, with which the data were checked before the search.
    """

    variant: str
    fixed: Mapping[str, Any]
    data: Mapping[str, Any]
    objective: Objective
    folder: Path
    seed: int
    cpus: float
    gpus: float
    timeout_s: float | None = None
    processes: int = 1
    default: Mapping[str, Any] = field(default_factory=dict)

    def training(
        self,
        params: Mapping[str, Any],
        seed: int,
        path: Path,
        device: torch.device,
        origin: str,
        processes: Processes | None = None,
    ) -> TrainingFolder:
        """Open a trial's training in its folder, new or as it was left; `origin` is shown in TensorBoard."""
        entry = load_outside(self.variant, self.folder)
        config, data = entry.Config.from_dict({**self.fixed, **params}), entry.Data.from_dict(self.data)
        variant = entry.build(config, data, device=device, seed=seed, processes=processes)
        return TrainingFolder(path, Loop(variant, self.objective), settings={**params, "seed": seed, "origin": origin})

    def failure(self, error: Exception) -> Failure:
        """Tell why a trial failed; data that were there when the search began, and are not now, are the environment."""
        failure = Failure.from_exception(error)
        if isinstance(error, UsageError) and failure.cause == "error" and not self._has_data():
            return replace(failure, cause="environment")
        return failure

    def _has_data(self) -> bool:
        """Repeat, with the default trial's parameters, the check of the data that the search made before it began."""
        entry = load_outside(self.variant, self.folder)
        try:
            entry.prepare(entry.Config.from_dict({**self.fixed, **self.default}), entry.Data.from_dict(self.data))
        except (UsageError, OSError):
            return False
        return True


class Trial(tune.Trainable):
    """Trains the config of one trial, one epoch per `step`."""

    training: TrainingFolder | None = None

    def setup(self, config: dict[str, Any], task: Task) -> None:
        """Take the trial's number and parameters; training begins in the first step, where failures are reported."""
        self.task = task
        with contextlib.suppress(Exception):  # the first step reports what is wrong with the variant
            # Imports take seconds, which should not count as the first trial's time.
            load_outside(task.variant, task.folder).load()
        torch.set_num_threads(max(1, int(task.cpus)))
        self.device = _device(task.gpus)
        self._begin(config)

    def step(self) -> dict[str, Any]:
        """Train one epoch; returns its report, or `failed` with the reason."""
        failure = read_failure(self.path)
        if failure is not None:
            return self._fail(failure)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            return self._advance()
        except DivergedError as error:
            return self._fail(Failure(str(error)))
        except torch.OutOfMemoryError as error:
            report = self._fail(Failure(f"out of memory: {first_line(error)}"), traceback.format_exc())
            exit_actor()  # only the end of the process frees all memory for certain
            return report
        except Exception as error:  # noqa: BLE001  (the boundary of a trial: recorded, and the run goes on)
            failure = self.task.failure(error)
            report = self._fail(failure, traceback.format_exc())
            if self.device.type == "cuda" and failure.cause == "error":
                exit_actor()  # a fault on the device would outlive the trial
            return report

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Prepare this process for the next trial."""
        self._close()
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Close files; called by Ray before the actor ends."""
        self._close()

    def _begin(self, config: Mapping[str, Any]) -> None:
        self.params = dict(config["params"])
        self.seed = self.task.seed if config.get("seed") is None else int(config["seed"])
        self.origin = str(config.get("origin", ""))
        self.is_first = config["trial"] == 0
        self.path = trial_folder(self.task.folder, config["trial"])
        self.training = None
        self.start = time.monotonic()

    def _fail(self, failure: Failure, details: str = "") -> dict[str, Any]:
        """Leave word of the failure in the trial's folder, where there is none, and make the report about it."""
        if details or not (self.path / FAILURE).exists():
            failure = failure.write(self.path, details)
        epoch = self.training.loop.epoch_done if self.training else 0
        end = {"epoch": epoch, "failed": True, "done": True, "stop_reason": failure.reason}
        return {**end, "cause": failure.cause, "errno": failure.errno}

    def _advance(self) -> dict[str, Any]:
        """Train one epoch; after a restart, first report the last epoch again, which Ray may not have received."""
        if self.training is None:
            with self.watchdog():
                self.training = self.task.training(self.params, self.seed, self.path, self.device, self.origin)
            if self.training.loop.report is not None:
                return self._report(self.training.loop)
            if self.is_first:
                with self.watchdog():
                    self.training.loop.check_metrics()
        with self.watchdog():
            self.training.run_epoch()
        return self._report(self.training.loop)

    @staticmethod
    def _report(loop: Loop) -> dict[str, Any]:
        return {**(loop.report or {}), "done": loop.finished}

    def watchdog(self) -> _Watchdog:
        """Make a guard of the time that the trial has left; the time of earlier processes counts."""
        limit = self.task.timeout_s
        earlier = self.training.loop.seconds_before if self.training else 0.0
        seconds = time.monotonic() - self.start + earlier
        return _Watchdog(self.path / TIMEOUT, None if limit is None else max(0.1, limit - seconds))

    def _close(self) -> None:
        """Drop the model, so that the next trial finds the memory free and no random state left over."""
        if self.training is not None:
            try:
                self.training.close()
            except OSError:  # a full disk: events that TensorBoard lacks are no reason to fail the next trial
                traceback.print_exc()
        self.training = None
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


class _Watchdog:
    """Kills this process when a step hangs, even inside a C call, and writes where it hung to a file.

    Ray restarts the trial in a fresh process, which finds the file and reports the failure. A process that is killed
    for another cause leaves the file empty.
    """

    def __init__(self, path: Path, seconds: float | None) -> None:
        self.path = path
        self.seconds = seconds
        self.file: TextIO | None = None

    def __enter__(self) -> None:
        if self.seconds is not None:
            self.file = self.path.open("w")
            faulthandler.dump_traceback_later(self.seconds, exit=True, file=self.file)

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            faulthandler.cancel_dump_traceback_later()
            self.file.close()
            self.path.unlink()


def _device(gpus: float) -> torch.device:
    """Pick the trial's device; a trial that shares a GPU is held to its share of the memory, which Ray does not do."""
    if gpus <= 0 or not torch.cuda.is_available():
        return torch.device("cpu")
    if gpus < 1:
        torch.cuda.set_per_process_memory_fraction(gpus)
    return torch.device("cuda")
