"""Rank the trials of a run: `python -m analysis.best run=runs/NAME`.

A trial counts with the report that stands for it, whose weights are exported: the best epoch of its last stage, or,
with several goals, the last epoch. Trials left in an earlier stage than others come last, and are not compared. The
ranking is by validation on one seed, after a choice among many: it shows what is worth a proof, and proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.frames.experiment import Experiment, load
from analysis.questions.baselines import read_baselines
from analysis.questions.leaders import describe_exclusion
from analysis.wording import format_count
from trainables.commands import command_help, parse_arguments, run_command
from trainables.settings import Settings, UsageError, setting
from trainables.standing import describe_excluded

USAGE = """
Rank the trials of a run by their best epoch of the last stage, or, with several goals, by their last epoch.

  python -m analysis.best run=runs/NAME
  python -m analysis.best run=runs/NAME top=50 csv=ranked.csv
"""


@dataclass(frozen=True, kw_only=True)
class Ranking(Settings):
    """The keys of the command line."""

    run: str = setting(help="folder of the run, finished or not", path=True)
    top: int = setting(10, "rows to print", low=1)
    csv: str = setting("", "file for all rows; empty: best.csv in the run's folder", path=True)


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
    print(_format_table(run, frame.head(ranking.top)))
    for metric in dict.fromkeys(goal.metric for goal in run.objective.goals):
        if levels := read_baselines(run.path).format_levels(metric):
            print(f"\n  no trials, for comparison: {metric} {levels}")
    print(f"\n  {format_count(len(frame), 'trial')}; the whole ranking is in {path}")
    for remark in filter(None, (run.default_note, describe_excluded(run.excluded))):
        print(f"  {remark}")
    return 0


def rank_trials(run: Experiment) -> pd.DataFrame:
    """Return one row per trial that has a result and did not fail, the best first, indexed by trial number.

    Columns: `compared` (False for trials that were left in an earlier stage, which come last), `status`, `stage`,
    `epoch` (of the report that stands for the trial), `epochs` (trained), the metrics of goals and constraints,
    `feasible`, `seconds` (to the trial's end), `note` (violated constraints, why it is not compared, how the default
    trial ended), and the searched parameters.
    """
    trials = [*run.ranking, *run.excluded]
    frame = run.trials.loc[trials].rename(columns={"best_epoch": "epoch"})
    frame = frame.assign(compared=frame.index.isin(run.ranking), note=[_describe(run, trial) for trial in trials])
    columns = ["compared", "status", "stage", "epoch", "epochs", *run.objective.metrics, "feasible", "seconds", "note"]
    return frame[columns].astype({"epoch": int, "feasible": bool}).join(run.settings)


def _describe(run: Experiment, trial: int) -> str:
    """Describe what the figures of a trial do not show; empty where there is nothing."""
    violations = [f"violates {violation}" for violation in run.violations(trial)]
    default_note = run.default_note if trial == 0 else ""
    return "; ".join(filter(None, [*violations, default_note or describe_exclusion(run, trial)]))


def _format_table(run: Experiment, frame: pd.DataFrame) -> str:
    """Format the rows for a terminal, without columns that say nothing; notes stand below."""
    notes = [f"\n  #{trial} {note}" for trial, note in frame["note"].items() if note]
    plain = ["note", *([] if run.excluded else ["compared", "stage"])]
    table = frame.drop(columns=plain).dropna(axis="columns", how="all")
    return table.to_string(float_format=lambda value: f"{value:.4g}", na_rep="·") + "".join(
        ["\n", *notes] if notes else []
    )


if __name__ == "__main__":
    run_command(main)
