"""A search as a command runs it, and what came first in it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.frames.experiment import load
from analysis.proof.evaluation import read_recipe
from search.record import RunFolder
from trainables.export.recipe import Recipe
from trainables.settings import UsageError


def search(space: str, words: list[str], storage: str) -> RunFolder:
    """Search a space in a process of its own, which prints as usual; returns the run's folder.

    Raises:
        UsageError: the search ended before its budget.
    """
    name = f"benchmark-{space}-{time.strftime('%m%d-%H%M%S')}"
    words = [f"space={space}", *words, f"storage={storage}", f"name={name}"]
    done = subprocess.run([sys.executable, "-m", "search.run", *words], check=False)
    if done.returncode not in (0, 1):  # 1: a trial failed, which is a result
        raise UsageError(f"the search ended with exit code {done.returncode}; its output says why.")
    return RunFolder.open(Path(storage) / name)


def first_and_best(folder: RunFolder) -> tuple[Mapping[str, Any], Mapping[str, Any], Recipe]:
    """Return the reports that count of the default trial and of the best one, and the recipe of the best one.

    Raises:
        UsageError: no trial has a result.
    """
    objective, number = folder.space().objective, load(folder.path).best
    if number is None:
        raise UsageError(f"{folder.path} has no trial with a result; failures.csv there says why, if any failed.")
    default, best = (objective.standing_report(folder.trial(trial).reports) or {} for trial in (0, number))
    return default, best, read_recipe(folder, number)
