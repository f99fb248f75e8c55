"""Rank the trials of a run: `python -m analysis.best run=runs/NAME`.

A trial counts with its best epoch, whose weights are exported. The ranking is by validation on one seed, after a choice
among many: it shows what is worth a proof, and proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.frames.experiment import Experiment, load
from analysis.questions.baselines import read_baselines
from analysis.wording import format_count
from trainables.commands import command_help, parse_arguments, run_command
from trainables.settings import Settings, UsageError, setting

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
    ranking = Ranking.from_dict(parse_arguments(arguments))
    run = load(ranking.run)
    frame = rank_trials(run)
    if frame.empty:
        raise UsageError(f"{ranking.run} has no trial with a result yet; wait for its first epochs.")
    path = ranking.csv or str(run.path / "best.csv")
    frame.to_csv(path)
    top = frame.head(ranking.top).dropna(axis="columns", how="all")
    print(top.to_string(float_format=lambda value: f"{value:.4g}", na_rep="·"))
    for metric in dict.fromkeys(goal.metric for goal in run.objective.goals):
        if levels := read_baselines(run.path).format_levels(metric):
            print(f"\n  no trials, for comparison: {metric} {levels}")
    print(f"\n  {format_count(len(frame), 'trial')}; the whole ranking is in {path}")
    return 0


def rank_trials(run: Experiment) -> pd.DataFrame:
    """Return one row per trial that has a result and did not fail, the best first, indexed by trial number.

    Columns: `status`, `epoch` (the best one), `epochs` (trained), the metrics of goals and constraints, `feasible`,
    `seconds` (to the trial's end), and the searched parameters.
    """
    metrics = dict.fromkeys([*(goal.metric for goal in run.objective.goals), *run.objective.constraints])
    frame = run.trials.loc[run.ranking].rename(columns={"best_epoch": "epoch"})
    frame = frame[["status", "epoch", "epochs", *metrics, "feasible", "seconds"]]
    return frame.astype({"epoch": int, "feasible": bool}).join(run.settings)


if __name__ == "__main__":
    run_command(main)
