"""Whether runs that are compared by their seconds had machines that were alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.frames.experiment import Experiment
from analysis.proof.folds import describe_data

MACHINE = ("platform", "cpus", "devices", "python", "packages")
"""Keys of a run's environment on which its speed may depend."""

SHARES = ("cpus_per_trial", "gpus_per_trial")
"""Keys of a run's command line with the same effect."""

NOTICEABLE_RATIO = 1.2
"""Ratio of the times of the same training beyond which machines were not alike; repeats on one machine stay below."""


def describe_machines(runs: Sequence[Experiment]) -> list[str]:
    """Describe, in sentences, how the machines of runs differ; empty where they were alike as far as it is known."""
    sentences = []
    for name in (*MACHINE, *SHARES):
        values = {run.name: _look_up(run, name) for run in runs}
        if len(set(map(str, values.values()))) > 1:
            sentences.append(f"The machines were not alike: {name} is {_list_values(values)}.")
    return [*sentences, *_compare_defaults(runs)]


def _look_up(run: Experiment, name: str) -> Any:
    return run.run.get(name) if name in SHARES else run.environment.get(name)


def _list_values(values: dict[str, Any]) -> str:
    """List what differs, run by run; of tables such as versions only the entries that are not the same in all."""
    if all(isinstance(value, dict) for value in values.values()):
        entries = sorted({key for value in values.values() for key in value})
        differing = [key for key in entries if len({str(value.get(key)) for value in values.values()}) > 1]
        values = {name: ", ".join(f"{key} {value.get(key)}" for key in differing) for name, value in values.items()}
    return "; ".join(f"{'not known' if value is None else value} ({name})" for name, value in values.items())


def _compare_defaults(runs: Sequence[Experiment]) -> list[str]:
    """Compare the seconds of an epoch of the same default training, where several runs have it."""
    groups: dict[str, list[tuple[float, str]]] = {}
    for run in runs:
        default = run.trials[(run.trials.index == 0) & (run.trials["epochs"] > 0) & (run.trials["seconds"] > 0)]
        if default.empty:
            continue
        seconds = float((default["seconds"] / default["epochs"]).iloc[0])
        training = run.space.entry.name, run.space.config(run.space.default_params()).as_dict(), describe_data(run)
        groups.setdefault(str(training), []).append((seconds, run.name))
    sentences = []
    for times in groups.values():
        (low, fast), (high, slow) = min(times), max(times)
        if high > NOTICEABLE_RATIO * low:
            sentences.append(
                f"The same default trial took {low:.3g} s per epoch in {fast} and {high:.3g} s in {slow}, "
                f"{high / low:.1f} times as long: compare these runs with cost=epochs."
            )
    return sentences
