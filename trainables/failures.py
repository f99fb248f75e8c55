"""Why a trial failed: told from its exception, left in a file by the process that ends, and read by whoever comes next.

    failure.txt    the reason in the first line, `cause:` and `errno:`, and after an empty line the traceback
    timeout.txt    where a trial hung, written by the watchdog; empty while one is armed

An operating system that refuses (no space left, a data file that vanished, too many open files) says nothing about the
trial's settings: such a failure has the cause `environment`. An objective with a metric that is not reported is wrong
for all trials: its cause is `objective`. Any other one is `error`. No torch, no Ray.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from trainables.files import replace_text
from trainables.objective import MissingMetricError
from trainables.settings import first_line

FAILURE = "failure.txt"
TIMEOUT = "timeout.txt"
OLD_FAILURE = "error.txt"  # of earlier versions; Ray writes a file of that name, too, at every failure and restart

Cause = Literal["error", "environment", "objective"]

_OLD_ENTRY = re.compile(r"(?!Failure # \d+ \(occurred at )[^\n]+\n\n")  # not Ray's, which a full disk may cut short


@dataclass(frozen=True)
class Failure:
    """Why a trial failed.

    Attributes:
        reason: one line for people.
        cause: `environment` where the operating system refused something, `objective` where a report lacks a metric of
            the objective, else `error`.
        errno: symbol of the operating system's error, such as `ENOSPC`, where there is one.
    """

    reason: str
    cause: Cause = "error"
    errno: str | None = None

    @classmethod
    def from_exception(cls, error: Exception) -> Failure:
        """Tell the failure from the exception that ended a trial."""
        if isinstance(error, MissingMetricError):
            return cls(first_line(error), "objective")
        system_error = find_system_error(error)
        reason = f"{type(error).__name__}: {first_line(error)}"
        if system_error is None:
            return cls(reason)
        if system_error is not error:
            reason += f" ({type(system_error).__name__}: {first_line(system_error)})"
        return cls(reason, "environment", errno.errorcode.get(system_error.errno or 0))

    def write(self, trial: Path, details: str = "") -> Failure:
        """Write the failure to its file; returns it, with a remark where that could not be written either.

        Of several processes that write at the same time the last one's remains.
        """
        head = f"{self.reason}\ncause: {self.cause}\n" + (f"errno: {self.errno}\n" if self.errno else "")
        try:
            partial = trial / f"{FAILURE}.{os.getpid()}"
            replace_text(partial, f"{head}\n{details}")
            partial.replace(trial / FAILURE)
        except OSError as error:  # a full disk takes no explanation either; the driver is told all the same
            return replace(self, reason=f"{self.reason} ({FAILURE} could not be written: {first_line(error)})")
        return self


def find_system_error(error: BaseException) -> OSError | None:
    """Find the operating system's error that an exception is, or was raised from; None if there is none."""
    chain: BaseException | None = error
    while chain is not None and not isinstance(chain, OSError):
        chain = chain.__cause__
    return chain


def failure_file(trial: Path) -> Path | None:
    """Return the file that says why a trial failed, with the traceback; None if there is none."""
    if (trial / FAILURE).exists():
        return trial / FAILURE
    old = trial / OLD_FAILURE
    if old.exists() and _OLD_ENTRY.match(old.read_text(encoding="utf-8", errors="replace")):
        return old
    return trial / TIMEOUT if (trial / TIMEOUT).exists() and (trial / TIMEOUT).stat().st_size > 0 else None


def name_failure_file(trial: Path) -> str:
    """Name the file that says why a trial failed, with its folder; where there is none, the one that it would have."""
    return f"{trial.name}/{(failure_file(trial) or trial / FAILURE).name}"


def read_failure(trial: Path) -> Failure | None:
    """Read why a trial failed; None where its process left no reason, because it was killed from outside."""
    path = failure_file(trial)
    if path is None:
        return None
    if path.name == TIMEOUT:
        return Failure(f"took longer than trial_timeout_s; {TIMEOUT} in its folder says where it hung")
    reason, _, rest = path.read_text(encoding="utf-8", errors="replace").partition("\n")
    head = dict(line.split(": ", 1) for line in rest.partition("\n\n")[0].splitlines() if ": " in line)
    causes: dict[str | None, Cause] = {"environment": "environment", "objective": "objective"}
    cause = causes.get(head.get("cause"), "error") if path.name == FAILURE else "error"
    return Failure(reason, cause, head.get("errno") if cause == "environment" else None)


def set_failure_aside(trial: Path) -> None:
    """Rename the files of a failure to `failure_1.txt` and so on, because the trial is to be run again."""
    count = len(list(trial.glob("failure_[0-9]*.txt"))) + 1
    for name in (FAILURE, OLD_FAILURE, TIMEOUT):
        if (trial / name).exists():
            (trial / name).replace(trial / f"{Path(name).stem}_{count}.txt")
