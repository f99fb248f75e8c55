"""A run's record, read on its own: JSON and YAML alone, by rules that are written here a second time.

Nothing of `analysis` is used, so that a fault there cannot agree with itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainables.files import read_yaml

Report = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """The record of a run or of a proof's trainings.

    Attributes:
        path: folder of the run.
    """

    path: Path

    @cached_property
    def goals(self) -> list[tuple[str, str]]:
        """Metric and mode of every goal."""
        objective = read_yaml(self.path / "space.yaml")["objective"]
        rows = objective if isinstance(objective, list) else [objective]
        return [(row["metric"], row.get("mode", "max")) for row in rows]

    @cached_property
    def constraints(self) -> dict[str, float]:
        """Bound by metric."""
        return dict(read_yaml(self.path / "space.yaml").get("constraints") or {})

    @cached_property
    def metrics(self) -> list[str]:
        """The metrics of goals and constraints."""
        return list(dict.fromkeys([*(metric for metric, _ in self.goals), *self.constraints]))

    @cached_property
    def trials(self) -> dict[int, dict[str, Any]]:
        """What the search recorded of every trial, by number."""
        files = sorted(self.path.glob("trial_*/trial.json"))
        return {row["number"]: row for row in (json.loads(file.read_text(encoding="utf-8")) for file in files)}

    def reports(self, trial: int) -> list[Report]:
        """Return the reports of a trial in the order of their epochs."""
        text = (self.path / f"trial_{trial:04d}" / "reports.jsonl").read_text(encoding="utf-8")
        return sorted((json.loads(line) for line in text.splitlines()), key=lambda report: report["epoch"])

    def standing_report(self, trial: int) -> Report:
        """Return the report that stands for a trial.

        With several goals it is the last one. With one it is, of the last stage, the one with the least violation,
        then the best value, then the earliest epoch.
        """
        reports = self.reports(trial)
        if len(self.goals) > 1:
            return reports[-1]
        metric, mode = self.goals[0]
        sign = 1 if mode == "max" else -1
        stage = max(report.get("train/stage", 0) for report in reports)
        last = [report for report in reports if report.get("train/stage", 0) == stage]
        return min(last, key=lambda report: (self._violation(report), -sign * report[metric], report["epoch"]))

    @cached_property
    def best(self) -> int:
        """The trial that is best: of those that got furthest in their stages, least violation first, then value.

        With several goals it is the best in the first one.
        """
        metric, mode = self.goals[0]
        sign = 1 if mode == "max" else -1
        reports = {
            trial: self.standing_report(trial) for trial, row in self.trials.items() if row["status"] != "failed"
        }
        return min(
            reports,
            key=lambda trial: (
                reports[trial].get("train/stages_left", 0),
                self._violation(reports[trial]),
                -sign * reports[trial][metric],
                trial,
            ),
        )

    def _violation(self, report: Report) -> float:
        excesses = [(report[metric] - bound) / abs(bound or 1e-12) for metric, bound in self.constraints.items()]
        return sum(max(0.0, excess) for excess in excesses)
