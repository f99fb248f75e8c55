"""The record of a run, beside Ray's own files: written and read as JSON and YAML; imports no Ray and no torch.

    run.yaml            every key of the command line, resolved
    space.yaml          the space with all overrides; a space file in its own right
    environment.json    commit, versions, devices, seed, command of the run's first session
    trial_0007/         one folder per trial:
      trial.json          parameters and their origin, how the trial ended and why; written by the driver
      result.json         one report per epoch and line; written by the trial (`trainables.training.folder`)
    failures.csv        number, reason and folder of every failed trial, once there is one

A run is resumed from these files alone, so that a kill at any moment loses at most the epochs in flight.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from search.space import Space
from trainables.files import RESULT, RUN, read_lines, read_yaml, replace_text, trial_folder, write_yaml
from trainables.settings import UsageError
from trainables.trust import record_folder

Status = Literal["running", "finished", "stopped", "failed"]
SPACE, ENVIRONMENT, TRIAL, FAILURES = "space.yaml", "environment.json", "trial.json", "failures.csv"
LOCK = ".lock"


@dataclass(frozen=True)
class TrialRecord:
    """Record of one trial.

    Attributes:
        params: the searched parameters; the default trial has the values of `Config()` for them.
        origin: `default`, `random`, or `model of epoch 3`; in a proof the trial that is trained again: `trial 21`.
        status: `finished` used its budget, `stopped` ended early on purpose, `failed` did not work.
        cause: what ended it: budget, scheduler, patience, health or error; None while it runs.
        reason: the cause in words.
        seed: its own; None where it has that of the run.
        reports: one per epoch, in order.
    """

    number: int
    params: dict[str, Any]
    origin: str
    status: Status = "running"
    cause: str | None = None
    reason: str | None = None
    started: float = 0.0
    ended: float | None = None
    seed: int | None = None
    reports: tuple[dict[str, Any], ...] = field(default=(), compare=False)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.status != "running"

    def at(self, epoch: int) -> dict[str, Any] | None:
        """Return the report of an epoch; None if the trial has not reported it."""
        return next((report for report in self.reports if report["epoch"] == epoch), None)


class RunFolder:
    """Folder of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any], space: Space, devices: Sequence[str] = ()) -> RunFolder:
        """Create the folder of a new run; `devices` are the names of its GPUs, for the record.

        Raises:
            UsageError: there is a run of that name.
        """
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            raise UsageError(f"{path} exists: resume it with resume={path}, or choose another name=.") from error
        folder = cls(path)
        folder.write_space(space)
        replace_text(
            path / ENVIRONMENT,
            json.dumps({**describe_environment(), "devices": list(devices), "seed": settings.get("seed")}, indent=2),
        )
        folder.write_settings(settings)
        return folder

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Open the folder of a run that exists.

        Raises:
            UsageError: there is none.
        """
        path = Path(path)
        if not (path / RUN).is_file():
            runs = sorted(file.parent.name for file in path.parent.glob(f"*/{RUN}")) if path.parent.is_dir() else []
            hint = f"runs there: {', '.join(runs[-5:])}." if runs else "give the folder that search.run printed."
            raise UsageError(f"{path} is no run (it has no {RUN}); {hint}")
        return cls(path.resolve())

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run for this process.

        Raises:
            UsageError: another process holds it.
        """
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise UsageError(f"{self.path} is being run by another process; wait for it, or stop it.") from error
        try:
            yield
        finally:
            lock.release()

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Write the command line's keys."""
        write_yaml(self.path / RUN, settings)

    def settings(self) -> dict[str, Any]:
        """Read the command line's keys."""
        return read_yaml(self.path / RUN)

    def space(self) -> Space:
        """Read the space of the run."""
        name, source = str(self.settings()["space_name"]), read_yaml(self.path / SPACE)
        return Space.from_source(name, source, record=record_folder(self.path / SPACE))

    def write_space(self, space: Space) -> None:
        """Write the space, resolved."""
        write_yaml(self.path / SPACE, space.source)

    def begin(self, trial: TrialRecord) -> TrialRecord:
        """Record that a trial has begun; returns the record with the time."""
        self._folder(trial.number).mkdir(parents=True, exist_ok=True)
        record = replace(trial, started=time.time())
        self._write(record)
        return record

    def end(self, trial: TrialRecord, status: Status, cause: str, reason: str) -> TrialRecord:
        """Record how a trial ended; returns the completed record."""
        record = replace(trial, status=status, cause=cause, reason=reason, ended=time.time())
        self._write(record)
        if status == "failed":
            self._write_failures()
        return record

    def trials(self) -> list[TrialRecord]:
        """Read all trials, sorted by number, with the reports that are on disk.

        Raises:
            UsageError: a trial's file cannot be read; it is named.
        """
        trials = [_read_trial(path) for path in self.path.glob(f"trial_*/{TRIAL}")]
        return sorted(trials, key=lambda trial: trial.number)

    def trial(self, number: int) -> TrialRecord:
        """Read one trial."""
        return _read_trial(self._folder(number) / TRIAL)

    def _folder(self, number: int) -> Path:
        return trial_folder(self.path, number)

    def _write(self, trial: TrialRecord) -> None:
        values = {key: value for key, value in asdict(trial).items() if key != "reports"}
        replace_text(self._folder(trial.number) / TRIAL, json.dumps(values, indent=2))

    def _write_failures(self) -> None:
        failed = [trial for trial in self.trials() if trial.status == "failed"]
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["trial", "epochs", "reason", "folder"])
        writer.writerows(
            [trial.number, len(trial.reports), trial.reason, self._folder(trial.number).name] for trial in failed
        )
        replace_text(self.path / FAILURES, text.getvalue())


def describe_environment(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Describe what a result may depend on besides its settings: commit, versions, machine, command."""
    packages = ("torch", "ray", "optuna", "timm", "numpy", "scikit-learn")
    return {
        "command": " ".join(arguments if arguments is not None else sys.argv),
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _commit() -> str | None:
    """Return the project's own commit, marked where the working tree differs; None outside of a checkout."""
    folder = Path(__file__).parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+changes" if status.stdout.strip() else "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _read_trial(path: Path) -> TrialRecord:
    """Read a trial from its files."""
    try:
        record = _record(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"{path} cannot be read ({error}); move its folder away to continue without that trial."
        ) from error
    return replace(record, reports=tuple(read_lines(path.parent / RESULT)))


def _record(values: Any) -> TrialRecord:
    """Make a record without its reports; keys that a newer version wrote are left out."""
    if not isinstance(values, dict) or not isinstance(values.get("params"), dict):
        raise TypeError("it holds no record of a trial")
    names = {item.name for item in fields(TrialRecord)} - {"reports"}
    return TrialRecord(**{name: value for name, value in values.items() if name in names})
