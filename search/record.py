"""The record of a run, beside Ray's own files: written and read as JSON and YAML; imports no Ray and no torch.

    run.yaml            every key of the command line, resolved
    space.yaml          the space with all overrides; a space file in its own right
    environment.json    commit, versions, devices, seed, command of the run's first session
    trial_0007/         one folder per trial:
      trial.json          parameters and their origin, how the trial ended and why; written by the driver
      reports.jsonl       one report per epoch and line; written by the trial (`trainables.training.folder`)
    failures.csv        number, cause, reason and folder of every failure, and whether it was retried, once there is one

A run is resumed from these files alone, so that a kill at any moment loses at most the epochs in flight.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from search.provenance import describe_environment
from search.space import Space
from search.trial_record import TRIAL, Status, TrialRecord, read_trial
from trainables.failures import set_failure_aside
from trainables.files import RUN, read_yaml, replace_text, trial_folder, write_yaml
from trainables.settings import UsageError
from trainables.trust import record_folder

SPACE, ENVIRONMENT, FAILURES = "space.yaml", "environment.json", "failures.csv"
LOCK = ".lock"


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
        folder = cls._make(path)
        with folder.lock():
            folder._write_start(settings, space, devices)
        return folder

    @classmethod
    @contextlib.contextmanager
    def claim_new(
        cls, path: Path, settings: Mapping[str, Any], space: Space, devices: Sequence[str] = ()
    ) -> Iterator[RunFolder]:
        """Create the folder of a new run, as `create` does, and lock it; it is removed if no trial has begun in it."""
        folder = cls._make(path)
        with folder.lock():
            try:
                folder._write_start(settings, space, devices)
                yield folder
            finally:
                folder.remove_without_trials()

    @classmethod
    def check_free(cls, path: Path) -> None:
        """Check that a new run may have this folder.

        Raises:
            UsageError: there is one that holds more than the beginnings of a run that was killed.
        """
        beginnings = {LOCK, SPACE, f".{SPACE}", ENVIRONMENT, f".{ENVIRONMENT}", f".{RUN}"}
        if path.is_dir() and {entry.name for entry in path.iterdir()} <= beginnings:
            return
        if path.exists():
            raise UsageError(f"{path} exists: resume it with resume={path}, or choose another name=.")

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

    @classmethod
    def _make(cls, path: Path) -> RunFolder:
        cls.check_free(path)
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    def _write_start(self, settings: Mapping[str, Any], space: Space, devices: Sequence[str]) -> None:
        """Write what a run is to be; the settings come last, because only a folder that has them is a run."""
        self.write_space(space)
        environment = {**describe_environment(), "devices": list(devices), "seed": settings.get("seed")}
        replace_text(self.path / ENVIRONMENT, json.dumps(environment, indent=2))
        self.write_settings(settings)

    def remove_without_trials(self) -> None:
        """Remove the folder if no trial has begun in it: there is nothing to resume, and the name is free again."""
        if not any(self.path.glob(f"trial_*/{TRIAL}")):
            shutil.rmtree(self.path)

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

    def end(self, trial: TrialRecord, status: Status, cause: str, reason: str, errno: str | None = None) -> TrialRecord:
        """Record how a trial ended; returns the completed record."""
        record = replace(trial, status=status, cause=cause, reason=reason, errno=errno, ended=time.time())
        self._write(record)
        if status == "failed":
            self._write_failures()
        return record

    def retry(self, trial: TrialRecord) -> TrialRecord:
        """Record that a failed trial is run again, from its checkpoint if it has one; returns the new record."""
        names = ("cause", "reason", "errno", "ended")
        failure = {**{name: getattr(trial, name) for name in names}, "epochs": len(trial.reports)}
        set_failure_aside(self._folder(trial.number))
        failures = (*trial.earlier_failures, failure)
        record = replace(
            trial, status="running", cause=None, reason=None, errno=None, ended=None, earlier_failures=failures
        )
        self._write(record)
        self._write_failures()
        return record

    def trials(self) -> list[TrialRecord]:
        """Read all trials, sorted by number, with the reports that are on disk.

        Raises:
            UsageError: a trial's file cannot be read; it is named.
        """
        trials = [read_trial(path) for path in self.path.glob(f"trial_*/{TRIAL}")]
        return sorted(trials, key=lambda trial: trial.number)

    def trial(self, number: int) -> TrialRecord:
        """Read one trial."""
        return read_trial(self._folder(number) / TRIAL)

    def _folder(self, number: int) -> Path:
        return trial_folder(self.path, number)

    def _write(self, trial: TrialRecord) -> None:
        values = {key: value for key, value in asdict(trial).items() if key != "reports"}
        replace_text(self._folder(trial.number) / TRIAL, json.dumps(values, indent=2))

    def _write_failures(self) -> None:
        """List every failure, with its cause and whether the trial has been run again since."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["trial", "epochs", "cause", "reason", "folder", "retried"])
        for trial in self.trials():
            folder = self._folder(trial.number).name
            for failure in trial.earlier_failures:
                writer.writerow([trial.number, failure["epochs"], failure["cause"], failure["reason"], folder, "yes"])
            if trial.status == "failed":
                writer.writerow([trial.number, len(trial.reports), trial.cause, trial.reason, folder, "no"])
        replace_text(self.path / FAILURES, text.getvalue())
