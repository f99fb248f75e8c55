"""A request for a run: every key of the command line with its help, and the page that `--help` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from search.budget import Budget, SchedulerChoice, SearcherChoice
from search.overrides import KEYS
from search.record import RunFolder
from search.space import Space, list_spaces, with_trials
from trainables import registry as variants
from trainables.commands import parse_arguments, table
from trainables.settings import LARGEST_SEED, Settings, UsageError, describe_unknown, setting

USAGE = """
Search the settings of a training variant.

  python -m search.run space=mask_st                          the embedded synthetic data, default settings first
  python -m search.run space=mask_st dry_run=true             what would be run
  python -m search.run space=mask_st data.source=nih data.root=FOLDER budget.trials=64
  python -m search.run space=mask_st params.lr.loguniform=[1e-4,1e-2] params.alpha=1
  python -m search.run resume=runs/NAME                       resume after a kill, or extend with budget.trials=N
  python -m search.run resume=runs/NAME retry=true            the same, and run failed trials again

Exit code: 0, also when time_budget_s is used up; 1 if a trial failed or none finished; 2 for input that cannot be used,
a record that cannot be written, or a Ray that does not start; 130 after Ctrl-C, 143 after SIGTERM.
"""


@dataclass(frozen=True, kw_only=True)
class Run(Settings):
    """The keys of a run that are no part of its space."""

    space: str = setting("", "what to search: a name from the list below, or the path of a YAML file", path=True)
    name: str = setting("", "folder of the run below storage; empty: the space's name with date and time", path=True)
    storage: str = setting(
        "runs", "folder of the runs; every node of a cluster must see it under the same path", path=True
    )
    seed: int = setting(0, "decides configs, first weights, and the order of the data", low=0, high=LARGEST_SEED)
    resume: str = setting("", "folder of a run to resume", path=True)
    dry_run: bool = setting(False, "print the plan and stop")
    table: bool = setting(False, "once a minute also a table of the running and the best trials")
    quiet: bool = setting(False, "print the best-trial card alone")
    address: str = setting("", "a Ray cluster to join (auto, or host:port); empty: this machine alone")
    cpus: int | None = setting(None, "CPUs of this machine that may be used; none: all", low=1)
    gpus: int | None = setting(
        None, "GPUs of this machine; none: those found; more than there are only tests the placement", low=0
    )
    cpus_per_trial: float = setting(1.0, "CPUs of one trial, and its torch threads", low=0.1)
    gpus_per_trial: float | Literal["auto"] = setting(
        "auto", "GPUs of one trial, a fraction to share one; auto: 1 where there are any", low=0
    )
    max_concurrent: int | None = setting(None, "trials at a time; none: as many as fit", low=1)
    time_budget_s: float | None = setting(None, "stop the search after this many seconds, ready to resume", low=1)
    trial_timeout_s: float | None = setting(None, "kill a trial that takes longer, hung or not", low=0.1)
    ray_start_timeout_s: float = setting(120.0, "how long a start of Ray may take; it is tried twice", low=1)
    retry: bool = setting(False, "with resume: run failed trials again, from their checkpoints")
    reuse_actors: bool = setting(True, "one process runs many trials; false: a fresh one for each, seconds slower")
    trial_restarts: int = setting(2, "how often a trial whose process died is resumed from its checkpoint", low=0)


CHANGEABLE_KEYS = (
    "resume", "dry_run", "table", "quiet", "address", "cpus", "gpus", "cpus_per_trial", "gpus_per_trial",
    "max_concurrent", "time_budget_s", "trial_timeout_s", "ray_start_timeout_s", "retry", "reuse_actors",
    "trial_restarts",
)  # fmt: skip
"""The keys that may differ when a run is resumed; with `budget.trials`."""


@dataclass(frozen=True)
class Request:
    """A command line as it was read: the run's keys, its space, and its folder."""

    run: Run
    space: Space
    folder: Path


def read(arguments: Sequence[str], now: str) -> Request:
    """Parse and check a command line; `now` goes into the name of a run that was given none.

    Raises:
        UsageError: anything that cannot be used.
    """
    values = parse_arguments(arguments)
    keys = {key: value for key, value in values.items() if key in Run.names()}
    overrides = {key: value for key, value in values.items() if key not in keys}
    for key in overrides:
        if key not in KEYS:
            raise UsageError(describe_unknown(key, [*Run.names(), *KEYS]))
    run = Run.from_dict(keys)
    if run.retry and not run.resume:
        raise UsageError("retry=true runs the failed trials of a run again; name it with resume=runs/NAME.")
    if run.resume:
        return _resume(run, keys, overrides)
    if not run.space:
        raise UsageError(f"space= says what to search; there are {', '.join(list_spaces())}.")
    _check_storage(run.storage)
    space = Space.load(run.space, overrides)
    storage = Path(run.storage).expanduser()
    name = run.name or _free_name(storage, f"{space.name}-{now}")
    folder = (storage / name).resolve()
    RunFolder.check_free(folder)
    return Request(replace(run, name=name), space, folder)


def help_page() -> str:
    """Write the help page: every key with its default and one line, the spaces, the variants."""
    data = {name: variants.load(name).Data for name in variants.names()}
    space_rows = [
        ("variant", "", "the training variant"),
        ("objective.metric", "", "what is compared: a key of the reports, such as val/auroc_macro"),
        ("objective.mode", "max", "max or min"),
        ("constraints.METRIC", "", "largest feasible value of a reported metric; none drops the constraint"),
        *_rows("budget", Budget),
        *_rows("scheduler", SchedulerChoice),
        *_rows("searcher", SearcherChoice),
        ("fixed.FIELD", "", "a Config field that is not searched"),
        ("params.FIELD", "", "a plain value fixes it; or params.FIELD.KIND=[…], KIND one of uniform, loguniform,"),
        ("", "", "quniform, randint, choice; params.FIELD.when.OTHER=VALUE; see spaces/README.md"),
    ]
    parts = [USAGE.strip(), "Keys of a run", table(Run.help_lines()), "Keys of its space", table(space_rows)]
    for name, kind in data.items():
        parts += [f"Data of {name}", table(_rows("data", kind))]
    parts += ["Spaces", table([(name, "", _space_title(name)) for name in list_spaces()])]
    parts += ["Variants", table([(name, "", variants.load(name).title) for name in variants.names()])]
    for name in variants.names():
        parts += [f"Config of {name} (fixed.FIELD, params.FIELD)", table(variants.load(name).Config.help_lines())]
    return "\n\n".join(parts)


def _resume(run: Run, keys: dict[str, Any], overrides: dict[str, Any]) -> Request:
    """Read the run of a folder, with the keys that may change overridden."""
    budget = overrides.pop("budget", {})
    if not isinstance(budget, dict):
        raise UsageError(f"budget={budget} is not a part of a space; write budget.trials=N.")
    for key in [*keys, *overrides, *(f"budget.{name}" for name in budget)]:
        if key not in (*CHANGEABLE_KEYS, "budget.trials"):
            raise UsageError(f"{key} cannot change when a run is resumed; start a new run with it.")
    folder = RunFolder.open(Path(run.resume).expanduser())
    settings = {key: value for key, value in folder.settings().items() if key in Run.names()}
    run = Run.from_dict({**settings, **keys})
    space = folder.space()
    if "trials" in budget:
        space = with_trials(space, budget["trials"])
        count = len(folder.trials())
        if space.budget.trials < count:
            raise UsageError(f"budget.trials={space.budget.trials}, but the run has {count} trials; ask for more.")
    return Request(run, space, folder.path)


def _check_storage(storage: str) -> None:
    if "://" in storage:
        raise UsageError(f"storage={storage} is an address; give a folder, for a cluster one that every node mounts.")


def _free_name(storage: Path, name: str) -> str:
    """Return the name, with a number appended where a run already has it."""
    candidate, count = name, 1
    while (storage / candidate).exists():
        count += 1
        candidate = f"{name}-{count}"
    return candidate


def _rows(prefix: str, settings: type[Settings]) -> list[tuple[str, str, str]]:
    return [(f"{prefix}.{name}", default, text) for name, default, text in settings.help_lines()]


def _space_title(name: str) -> str:
    try:
        space = Space.load(name)
    except UsageError as error:  # a space that needs something of its user, and says what
        return str(error)
    goals = " and ".join(f"{goal.mode} {goal.metric}" for goal in space.objective.goals)
    return f"{space.entry.name}: {goals} over {len(space.dimensions)} settings, {space.budget.trials} trials"
