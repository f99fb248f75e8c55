"""What chance and trivial methods reach on the data of a run, beside which the metrics of its trials stand.

A variant computes the rows in its `baselines.py`, on the split and by the code that score its trials. They are kept in
the run's folder, in `baselines.json`, and are no trials: nothing ranks or proposes them.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainables.files import BASELINES, replace_text
from trainables.objective import Goal, Objective
from trainables.progress import track
from trainables.settings import Notice, UsageError, first_line

if TYPE_CHECKING:
    from trainables.base_config import DataConfig, TrainingConfig
    from trainables.registry import Entry

DRAWS = 10
"""Draws of random predictions over which the metrics of chance are averaged where they are not known exactly."""

_SEED = 0

FACT = "baselines"
"""Name of the rows among an export's facts."""

CHANCE = "chance"
"""The row of random predictions; every other row is a method."""


@dataclass(frozen=True)
class Baselines:
    """The rows of a variant on some data.

    Attributes:
        rows: name → metrics, under the keys of a report (`val/…`); a row has those that mean something for it.
        seconds: that they took.
        notes: what was cut short for speed, in sentences.
        problem: why there are no rows; empty where nothing went wrong.
    """

    rows: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    problem: str = ""

    @classmethod
    def read(cls, folder: Path) -> Baselines:
        """Read a run's baselines; one of an earlier version has none.

        Raises:
            UsageError: the file is damaged.
        """
        path = folder / BASELINES
        if not path.exists():
            return cls()
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            rows = {name: {key: float(value) for key, value in row.items()} for name, row in values["rows"].items()}
            return cls(rows, float(values["seconds"]), tuple(map(str, values["notes"])), str(values["problem"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{path} cannot be read ({first_line(error)}); remove it, and resuming the run writes it again."
            ) from error

    def write(self, folder: Path) -> None:
        """Write the file, whole or not at all."""
        replace_text(folder / BASELINES, json.dumps(self.as_dict(), indent=2))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def as_facts(self) -> dict[str, Any]:
        """Return the rows as part of an export's facts; empty where there are none."""
        return {FACT: {name: dict(row) for name, row in self.rows.items()}} if self.rows else {}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Baselines:
        """Read the rows from an export's facts; an export of an earlier version has none."""
        return cls(facts.get(FACT, {}))

    def values(self, metric: str) -> dict[str, float]:
        """Return a metric of every row that has it, chance first."""
        return {name: row[metric] for name, row in self.rows.items() if metric in row}

    def strongest(self, goal: Goal) -> str | None:
        """Return the row that is best by a goal; None where no row has its metric."""
        values = self.values(goal.metric)
        return max(values, key=lambda name: goal.sign * values[name], default=None)

    def unbeaten(self, objective: Objective, report: Mapping[str, Any]) -> list[str]:
        """List the rows that a report does not beat, the strongest first: it is better than they in none of the goals.

        Only the goals that a row has count, and a row without any is not compared.
        """
        goals = {
            name: [goal for goal in objective.goals if goal.metric in row and goal.metric in report]
            for name, row in self.rows.items()
        }
        names = [
            name
            for name, row in self.rows.items()
            if goals[name] and not any(goal.is_better(report[goal.metric], row[goal.metric]) for goal in goals[name])
        ]
        first = objective.first
        return sorted(names, key=lambda name: -first.sign * self.rows[name].get(first.metric, -first.sign * math.inf))

    def format_levels(self, metric: str) -> str:
        """Format a metric of all rows: `chance 0.25 · Laplacian of Gaussian 0.619`; empty where no row has it."""
        return " · ".join(f"{name} {value:.4g}" for name, value in self.values(metric).items())

    def compare(self, objective: Objective, reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Write the rows and some reports in a line per goal, then name the reports that do not beat all rows.

        Args:
            objective: of the run.
            reports: a word for each (`best`, `default`) → the report.
        """
        lines = []
        for metric in dict.fromkeys(goal.metric for goal in objective.goals):
            if levels := self.format_levels(metric):
                values = "".join(f" · {name} {report[metric]:.4g}" for name, report in reports.items())
                lines.append(f"{metric}: {levels}{values}")
        unbeaten = {name: " or ".join(self.unbeaten(objective, report)) for name, report in reports.items()}
        for rows in dict.fromkeys(filter(None, unbeaten.values())):
            lines.append(f"NOT BETTER than {rows}: {', '.join(name for name in reports if unbeaten[name] == rows)}")
        return lines


def average_draws(draw: Callable[[np.random.Generator], dict[str, float]], count: int = DRAWS) -> dict[str, float]:
    """Average the metrics of random predictions over draws that share one generator; always the same numbers."""
    generator = np.random.default_rng(_SEED)
    rows = [draw(generator) for _ in track(range(count), "drawing at random", "draw")]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def compute(entry: Entry, config: TrainingConfig, data: DataConfig) -> Baselines:
    """Compute a variant's baselines; what goes wrong is recorded and told, for they are not what a user asked for.

    Args:
        entry: the variant; one without a `baselines.py` has no rows.
        config: of the default trial.
        data: of all trials.
    """
    start = time.monotonic()
    rows: Mapping[str, Mapping[str, float]] = {}
    problem = ""
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always", Notice)
        try:
            rows = {
                name: {key: float(value) for key, value in row.items() if math.isfinite(value)}
                for name, row in entry.baselines(config, data).items()
            }
        except Exception as error:  # noqa: BLE001  (recorded and told; the search does not depend on it)
            problem = f"{type(error).__name__}: {first_line(error)}"
    for warning in records:
        warnings.warn(warning.message, warning.category, stacklevel=2)
    notes = tuple(str(warning.message) for warning in records if issubclass(warning.category, Notice))
    if problem:
        warnings.warn(f"no baselines to compare with: {problem}; the trials do not need them.", Notice, stacklevel=2)
    return Baselines(rows, time.monotonic() - start, notes, problem)


def compute_once(folder: Path, entry: Entry, config: TrainingConfig, data: DataConfig) -> Baselines:
    """Read the baselines of a run's folder, or compute and write them where they are missing, damaged or failed."""
    try:
        baselines = Baselines.read(folder)
    except UsageError:
        baselines = Baselines()
    if not baselines.rows and entry.has_baselines:
        baselines = compute(entry, config, data)
        baselines.write(folder)
    return baselines
