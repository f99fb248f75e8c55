"""Ray: connect to it, and let it run a board's trials."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import ray
import torch
from ray import tune
from ray._private.ray_constants import GCS_PORT_ENVIRONMENT_VARIABLE
from ray.tune import Callback, Stopper, TuneError

from search.board import Board, Proposal
from search.environment import is_blocked
from search.interruption import Interruption, kill_descendants, list_descendants
from search.placement import Machine, Placement, place_trials, this_machine
from search.request import Run
from search.scheduler import BoardScheduler, settle
from search.searcher import BoardSearcher, propose
from search.status import StatusLine
from trainables.files import trial_folder
from trainables.settings import UsageError, first_line
from trainables.training.tensorboard import write_hparams
from trainables.trials.trial import Task, Trial

RAY_LOGS = "/tmp/ray/session_latest/logs"


@contextlib.contextmanager
def connect(run: Run, interruption: Interruption, clean_up: Callable[[], None]) -> Iterator[Machine]:
    """Start Ray on this machine, or join it at an address, and leave it at the end; yields its CPUs and GPUs.

    Args:
        run: keys of the command line.
        interruption: of the search; during the start a signal ends the process.
        clean_up: what is to be done before it does.

    Raises:
        UsageError: Ray does not start, or nothing answers at the address.
    """
    if not run.quiet:
        print("  starting Ray …" if not run.address else f"  joining Ray at {run.address} …", flush=True)
    pids = list_descendants()

    def leave() -> None:
        kill_descendants(but=pids)
        clean_up()

    with interruption.ends_process("interrupted while Ray was starting; nothing is lost", leave):
        _start_ray(run, pids)
    try:
        resources = ray.cluster_resources()
        with interruption.ends_search():
            yield Machine(int(resources.get("CPU", 0)), int(resources.get("GPU", 0)))
    finally:
        ray.shutdown()


def _start_ray(run: Run, pids: set[int]) -> None:
    """Start or join Ray; a second time where the first one fails, since a busy machine is less so a little later."""
    machine = this_machine(run)
    local = {"num_cpus": machine.cpus, "num_gpus": machine.gpus, "include_dashboard": False}
    for remaining_tries in (1, 0):
        start = time.monotonic()
        if not run.address:  # Ray would else wait for a port of its own choice in C code that lets no thread run
            os.environ[GCS_PORT_ENVIRONMENT_VARIABLE] = str(_free_port())
        try:
            ray.init(
                address=run.address or "local",  # local: not a cluster that happens to run here
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({} if run.address else local),
            )
        except Exception as error:  # what Ray raises when a process of its own does not answer
            ray.shutdown()
            kill_descendants(but=pids)
            seconds = time.monotonic() - start
            if not remaining_tries:
                raise _explain_start(run, error, seconds) from error
            print(f"  Ray has not started in {seconds:.0f} s ({first_line(error)}); trying once more …", flush=True)
        else:
            return
        finally:
            os.environ.pop(GCS_PORT_ENVIRONMENT_VARIABLE, None)


def _free_port() -> int:
    with socket.socket() as connection:
        connection.bind(("", 0))
        return int(connection.getsockname()[1])


def _explain_start(run: Run, error: Exception, seconds: float) -> UsageError:
    if run.address:
        return UsageError(f"address={run.address}: {first_line(error)}; `ray status` shows what runs there.")
    return UsageError(
        f"Ray did not start in two tries, the second of {seconds:.0f} s ({first_line(error)}): wait until this machine "
        f"has less to do, give it longer with ray_start_timeout_s={2 * run.ray_start_timeout_s:.0f}, or read "
        f"{RAY_LOGS}."
    )


class StatusCallback(Callback):
    """Renews the status line after every step of Ray's loop."""

    def __init__(self, line: StatusLine) -> None:
        self.line = line

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Renew the line; Ray calls this."""
        self.line.tick()


def run_trials(
    run: Run,
    board: Board,
    machine: Machine,
    line: StatusLine,
    proposal: Callable[[int], Proposal] | None = None,
    processes: int = 1,
) -> None:
    """Run the board's unfinished and remaining trials; returns when they have ended, at Ctrl-C, or out of time.

    Args:
        run: keys of the command line.
        board: of the run.
        machine: CPUs and GPUs to share out.
        line: about the run.
        proposal: from a trial's number to what it is to be; None: what the space's searcher proposes.
        processes: of each trial; several train it together, in one step of Ray.

    Raises:
        OSError: the record cannot be written; it is complete up to there.
    """
    settle(board)
    if not board.remaining():
        return
    placement = place_trials(run, machine, processes)
    if not board.trials and proposal is None:  # trials that are planned appear in the table of the run that they repeat
        _write_hparams(board)
    tuner = tune.Tuner(
        _trainable(_task(run, board, placement, processes), placement),
        tune_config=_tune_config(run, board, placement, proposal or partial(propose, board, run.seed)),
        run_config=_run_config(run, board, line),
    )
    try:
        tuner.fit()
    except TuneError as error:
        raise board.record_error or error from error
    if board.record_error is not None:
        raise board.record_error


class BlockedStopper(Stopper):
    """Ends a search whose record cannot be written, or whose trials fail one after the other."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Leave single trials to the scheduler; Ray calls this."""
        return False

    def stop_all(self) -> bool:
        """Return whether the search ends; Ray calls this."""
        return is_blocked(self.board)


def _write_hparams(board: Board) -> None:
    """Tell TensorBoard which settings are searched and which metrics its table shows."""
    space = board.space
    settings = [dimension.name for dimension in space.dimensions]
    metrics = [*(goal.metric for goal in space.objective.goals), *space.objective.constraints]
    write_hparams(board.folder.path, settings, metrics)


def _task(run: Run, board: Board, placement: Placement, processes: int) -> Task:
    """Collect the settings that all trials have in common."""
    space, gpus = board.space, placement.gpus_per_trial
    if processes > 1 and not (run.address or torch.cuda.is_available()):
        gpus = 0.0  # a group may not ask for GPUs that are declared and do not exist
    return Task(
        variant=space.entry.name,
        fixed=space.fixed,
        data=space.data.as_dict(),
        objective=space.objective,
        folder=board.folder.path,
        seed=run.seed,
        cpus=placement.cpus_per_trial,
        gpus=gpus,
        timeout_s=run.trial_timeout_s,
        processes=processes,
        default=space.default_params(),
    )


def _trainable(task: Task, placement: Placement) -> Any:
    """Make Ray's trainable of the task, with the resources of a trial."""
    if task.processes == 1:
        resources = {"cpu": placement.cpus_per_trial, "gpu": placement.gpus_per_trial}
        return tune.with_resources(tune.with_parameters(Trial, task=task), resources)
    from trainables.trials.group import GroupTrial  # noqa: PLC0415  (ray.train takes seconds to import)

    # The group's processes ask for CPUs and GPUs themselves.
    return tune.with_resources(tune.with_parameters(GroupTrial, task=task), {"memory": 1 << 20})


def _tune_config(run: Run, board: Board, placement: Placement, proposal: Callable[[int], Proposal]) -> tune.TuneConfig:
    return tune.TuneConfig(
        search_alg=BoardSearcher(board, proposal),
        scheduler=BoardScheduler(board),
        num_samples=board.remaining() * (1 + run.trial_restarts),  # an upper bound: the searcher ends the run
        max_concurrent_trials=placement.concurrent,
        time_budget_s=run.time_budget_s,
        reuse_actors=run.reuse_actors,
        trial_dirname_creator=lambda trial: trial_folder(board.folder.path, trial.config["trial"]).name,
    )


def _run_config(run: Run, board: Board, line: StatusLine) -> tune.RunConfig:
    folder = board.folder.path
    return tune.RunConfig(
        name=folder.name,
        storage_path=str(folder.parent),
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        failure_config=tune.FailureConfig(max_failures=run.trial_restarts),
        callbacks=[StatusCallback(line)],
        stop=BlockedStopper(board),
        verbose=0,
    )
