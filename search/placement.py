"""The resources of a trial, and the number of trials that fit at a time."""

from __future__ import annotations

import os
from dataclasses import dataclass

from search.request import Run
from trainables.settings import UsageError


@dataclass(frozen=True)
class Machine:
    """CPUs and GPUs to share out, of this machine or of a cluster."""

    cpus: int
    gpus: int


@dataclass(frozen=True)
class Placement:
    """The share of one trial, and how many run at a time."""

    cpus_per_trial: float
    gpus_per_trial: float
    concurrent: int

    def __str__(self) -> str:
        gpus = f" and {self.gpus_per_trial:g} GPU" if self.gpus_per_trial else ""
        return f"{self.concurrent} at a time, {self.cpus_per_trial:g} CPU{gpus} each"


def this_machine(run: Run) -> Machine:
    """Count the CPUs and GPUs of this machine, or take as many as the user declares.

    Declared GPUs that do not exist let placement be tried out; their trials run on the CPU.
    """
    import torch  # noqa: PLC0415  (only here is it needed before the trials start)

    return Machine(run.cpus or os.cpu_count() or 1, torch.cuda.device_count() if run.gpus is None else run.gpus)


def gpu_names() -> list[str]:
    """List the GPUs of this machine by name."""
    import torch  # noqa: PLC0415

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def place_trials(run: Run, machine: Machine, processes: int = 1) -> Placement:
    """Share the machine out to trials; a trial of several processes has `cpus_per_trial` for each.

    Raises:
        UsageError: one trial asks for more than there is.
    """
    gpus = _gpus(run, machine, processes)
    cpus = run.cpus_per_trial * processes
    if cpus > machine.cpus:
        suffix = f" for each of {processes} processes" if processes > 1 else ""
        raise UsageError(
            f"cpus_per_trial={run.cpus_per_trial:g}{suffix}, but there are {machine.cpus}; ask for at most that."
        )
    if gpus > machine.gpus:
        raise UsageError(
            f"gpus_per_trial={gpus:g}, but there are {machine.gpus}; ask for at most that, "
            f"or declare some with gpus=1 to try out the placement."
        )
    if gpus > 1 and gpus != int(gpus):
        raise UsageError(f"gpus_per_trial={gpus:g} is not possible: a trial has a share of one GPU, or whole ones.")
    fit = _round_down(machine.cpus / cpus)
    if gpus:
        fit = min(fit, _round_down(1 / gpus) * machine.gpus if gpus < 1 else machine.gpus // int(gpus))
    return Placement(run.cpus_per_trial, gpus, min(fit, run.max_concurrent or fit))


def _gpus(run: Run, machine: Machine, processes: int) -> float:
    """Return the GPUs of one trial; each of several processes has one, or all of them none."""
    if run.gpus_per_trial == "auto":
        return float(processes) if machine.gpus else 0.0
    gpus = float(run.gpus_per_trial)
    if processes > 1 and gpus not in (0, processes):
        raise UsageError(f"gpus_per_trial={gpus:g} is not for processes={processes}: give {processes}, or 0 for none.")
    return gpus


def _round_down(share: float) -> int:
    """Round down, tolerating the last digit of a float: 0.14 CPUs fit 50 times into 7."""
    return int(share + 1e-9)
