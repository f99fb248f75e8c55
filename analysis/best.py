"""Rank the trials of a run: `python -m analysis.best run=runs/NAME`.

A trial counts with its best epoch, which is what export and full training use. The ranking is by validation, on one
seed, after choosing among many: it says what to try again, not what is proved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from search.record import RunFolder, TrialRecord
from trainables.objective import Objective
from trainables.settings import Settings, UsageError, command, command_help, parse_arguments, setting

USAGE = """
Rank the trials of a run by their best epoch.

  python -m analysis.best run=runs/NAME
  python -m analysis.best run=runs/NAME top=50 csv=ranked.csv
"""


@dataclass(frozen=True, kw_only=True)
class Ranking(Settings):
    """The keys of the command line."""

    run: str = setting(help="folder of the run, finished or not")
    top: int = setting(10, "rows to print", low=1)
    csv: str = setting("", "file for all rows; empty: best.csv in the run's folder")


def main(arguments: list[str]) -> int:
    """Print the ranking and write it as CSV; returns the exit code."""
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(command_help(USAGE, Ranking))
        return 0
    ranking = Ranking.of(parse_arguments(arguments))
    folder = RunFolder.open(ranking.run)
    frame = ranked(folder)
    if frame.empty:
        raise UsageError(f"{ranking.run} has no trial with a result yet; wait for its first epochs.")
    path = ranking.csv or str(folder.path / "best.csv")
    frame.to_csv(path)
    shown = frame.head(ranking.top).dropna(axis="columns", how="all")
    print(shown.to_string(float_format=lambda value: f"{value:.4g}", na_rep="·"))
    print(f"\n  {len(frame)} trials; all of them in {path}")
    return 0


def ranked(folder: RunFolder) -> pd.DataFrame:
    """One row per trial that has a result and did not fail, the best first, indexed by trial number.

    Columns: `status`, `epoch` (the best one), `epochs` (trained), the metrics of goals and constraints, `feasible`,
    `seconds` (to the trial's end), and the searched parameters.
    """
    objective = folder.space().objective
    trials = [trial for trial in folder.trials() if trial.status != "failed"]
    best = [(trial, report) for trial in trials if (report := objective.best(trial.reports)) is not None]
    best.sort(key=lambda pair: objective.rank(pair[1]), reverse=True)
    frame = pd.DataFrame([_row(trial, report, objective) for trial, report in best])
    return frame if frame.empty else frame.set_index("trial")


def _row(trial: TrialRecord, report: Mapping[str, Any], objective: Objective) -> dict[str, Any]:
    metrics = [*(goal.metric for goal in objective.goals), *objective.constraints]
    return {
        "trial": trial.number,
        "status": trial.status,
        "epoch": int(report["epoch"]),
        "epochs": len(trial.reports),
        **{metric: report[metric] for metric in metrics},
        "feasible": bool(report["objective/feasible"]),
        "seconds": trial.reports[-1]["time/total_s"],
        **trial.params,
    }


if __name__ == "__main__":
    command(main)
