"""Ray: connect to it, and let it run a board's trials."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import ray
import torch
from ray import tune
from ray.tune import Callback

from search.board import Board, Proposal
from search.console import StatusLine
from search.placement import Machine, Placement, place, this_machine
from search.request import Run
from search.scheduler import BoardScheduler, settle
from search.searcher import BoardSearcher, propose
from trainables.files import trial_folder
from trainables.settings import UsageError, one_line
from trainables.training.tensorboard import write_experiment
from trainables.trials.trial import Task, Trial


@contextlib.contextmanager
def connected(run: Run) -> Iterator[Machine]:
    """Ray, started on this machine or joined at an address, and left at the end; yields what it has to share out."""
    if run.address:
        try:
            ray.init(address=run.address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError) as error:
            raise UsageError(
                f"address={run.address}: {one_line(error)}; `ray status` shows what runs there."
            ) from error
    else:
        machine = this_machine(run)
        ray.init(
            address="local",  # not a cluster that happens to run here
            num_cpus=machine.cpus,
            num_gpus=machine.gpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    try:
        resources = ray.cluster_resources()
        yield Machine(int(resources.get("CPU", 0)), int(resources.get("GPU", 0)))
    finally:
        ray.shutdown()


class Watcher(Callback):
    """Lets the status line look at the board whenever Ray has done something."""

    def __init__(self, line: StatusLine) -> None:
        self.line = line

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Ray has done something."""
        self.line.tick()


def search(
    run: Run,
    board: Board,
    machine: Machine,
    line: StatusLine,
    proposal: Callable[[int], Proposal] | None = None,
    processes: int = 1,
) -> None:
    """Run the board's unfinished and remaining trials; returns when they have ended, at Ctrl-C, or out of time.

    Args:
        proposal: what trial N is to be; None: what the space's searcher proposes.
        processes: of each trial; several train it together, in one go.
    """
    space, folder = board.space, board.folder.path
    settle(board)
    if not board.left():
        return
    placement = place(run, machine, processes)
    if not board.trials and proposal is None:  # planned trials are shown in the table of the run that they repeat
        searched = [dimension.name for dimension in space.dimensions]
        shown = [*(goal.metric for goal in space.objective.goals), *space.objective.constraints]
        write_experiment(folder, searched, shown)
    task = _task(run, board, placement, processes)
    trainable, resources = Trial, {"cpu": placement.cpus_per_trial, "gpu": placement.gpus_per_trial}
    if processes > 1:
        from trainables.trials.group import GroupTrial  # noqa: PLC0415  (ray.train takes seconds to import)

        trainable, resources = GroupTrial, {"memory": 1 << 20}  # its processes ask for CPUs and GPUs themselves
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, task=task), resources),
        tune_config=tune.TuneConfig(
            search_alg=BoardSearcher(board, proposal or partial(propose, board, run.seed)),
            scheduler=BoardScheduler(board),
            num_samples=board.left() * (1 + run.trial_restarts),  # the searcher says when it is over
            max_concurrent_trials=placement.concurrent,
            time_budget_s=run.time_budget_s,
            reuse_actors=run.reuse_actors,
            trial_dirname_creator=lambda trial: trial_folder(folder, trial.config["trial"]).name,
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=run.trial_restarts),
            callbacks=[Watcher(line)],
            verbose=0,
        ),
    )
    tuner.fit()


def _task(run: Run, board: Board, placement: Placement, processes: int) -> Task:
    """What all trials have in common."""
    space, gpus = board.space, placement.gpus_per_trial
    return Task(
        variant=space.entry.name,
        fixed=space.fixed,
        data=space.data.as_dict(),
        objective=space.objective,
        folder=board.folder.path,
        seed=run.seed,
        cpus=placement.cpus_per_trial,
        gpus=_there(run, gpus) if processes > 1 else gpus,
        timeout_s=run.trial_timeout_s,
        processes=processes,
    )


def _there(run: Run, gpus: float) -> float:
    """The GPUs that a group may ask for: none of those that were declared and are not there."""
    return gpus if run.address or torch.cuda.is_available() else 0.0
