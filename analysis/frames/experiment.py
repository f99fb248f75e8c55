"""A run as tidy data frames: `load("runs/NAME")`, whether it is running, finished, killed or partly damaged.

Only JSON, CSV and YAML are read; nothing is unpickled. `problems` names what cannot be read; the rest is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.frames.proofs import read_proof
from analysis.frames.reading import read_trials
from analysis.frames.standing import add_objective, add_stages_left, list_incomparable, summarise_trials
from analysis.wording import format_count, inflect
from search.record import ENVIRONMENT, FAILURES, RunFolder
from trainables.objective import COMPARABLE_END, VALUE, VIOLATION, Objective
from trainables.standing import SETTLING_CAUSES, choose_trial, describe_default, find_front

if TYPE_CHECKING:
    from search.space import Space

PROOF_FOLDER, PROOF_FILE = "retrain", "proof.json"
"""The folder of a run's proof, and the file with its result."""


@dataclass(frozen=True)
class Experiment:
    """One run in its present state.

    Attributes:
        run: the keys of its command line.
        environment: the recorded machine and versions.
        trials: indexed by number: `status` (`running`, `finished`, `stopped`, `failed`, or `unknown` where its record
            is lost), `cause`, `reason`, `origin`, `seed`, `started`, `ended` (seconds since 1970), `epochs` reported,
            `seconds` of training; and of the report that stands for it (`Objective.standing_report`) `best_epoch`,
            `value` (the first goal's metric), `feasible`, `violation`, `stage`, `stages_left`, and the metrics of all
            goals and constraints. A failed trial has none of the latter, nor has one whose reports lack the objective's
            metrics.
        reports: a row per trial and epoch, a column per reported number; the objective's columns always exist.
        settings: indexed by trial: the searched settings, missing where a condition switches one off.
        failures: indexed by trial: `epochs`, `cause`, `reason`.
        findings: a row per trial, epoch and health finding: `check`, `message`.
        proof: the result of `analysis.retrain` (`analysis.proof.result.Proof.as_dict`), or None.
        problems: sentences on what could not be read.
    """

    folder: RunFolder
    space: Space
    run: dict[str, Any]
    environment: dict[str, Any]
    trials: pd.DataFrame
    reports: pd.DataFrame
    settings: pd.DataFrame
    failures: pd.DataFrame
    findings: pd.DataFrame
    proof: dict[str, Any] | None = None
    problems: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.folder.path.name

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def objective(self) -> Objective:
        """The objective of the run."""
        return self.space.objective

    @cached_property
    def ranking(self) -> list[int]:
        """The trials that may be compared (`standing.compare_trials`): least violation first, then the best value."""
        valid = self.trials[self.trials["value"].notna()]
        valid = valid[valid["stages_left"] == valid["stages_left"].min()]
        violation = valid["violation"].fillna(np.inf)
        order = np.lexsort((valid.index, -self.objective.first.sign * valid["value"], violation))
        return [int(trial) for trial in valid.index[order]]

    @cached_property
    def excluded(self) -> dict[int, str]:
        """The trials that may not be compared, because others reached a later stage: number → name of their stage."""
        valid = self.trials[self.trials["value"].notna()]
        earlier = valid[valid["stages_left"] > valid["stages_left"].min()]
        return {int(trial): str(name) for trial, name in earlier["stage"].items()}

    @property
    def stage(self) -> str:
        """The name of the stage in which trials are compared; empty where it is the last one."""
        first = self.ranking[:1]
        return "".join(str(self.trials["stage"][trial]) for trial in first if self.trials["stages_left"][trial])

    @cached_property
    def is_final(self) -> pd.Series:
        """By trial, whether it used its budget or ended itself, so that its last report is final."""
        return (self.trials["status"] == "finished") | self.trials["cause"].isin(SETTLING_CAUSES)

    @cached_property
    def front(self) -> list[int]:
        """The settled trials that no other dominates, of those that may be compared."""
        return find_front(self.objective, self._goal_reports([n for n in self.ranking if self.is_final[n]]))

    @cached_property
    def choice(self) -> int | None:
        """The trial that stands for the run: for one goal the best, for several the objective's choice of the front.

        None without a result; for several goals, also as long as no settled trial keeps the constraints.
        """
        if not self.objective.is_multi:
            return self.best
        return choose_trial(self.objective, self._goal_reports(self.front))

    @property
    def best(self) -> int | None:
        """The best trial; with several goals by the first."""
        return self.ranking[0] if self.ranking else None

    @property
    def default(self) -> int | None:
        """The default trial, if it has a result that may be compared."""
        return 0 if 0 in self.ranking else None

    @property
    def default_note(self) -> str:
        """What a comparison with the default trial must not hide (`standing.describe_default`); empty: nothing."""
        if 0 not in self.trials.index:
            return ""
        row: dict[Any, Any] = self.trials.loc[0].to_dict()
        return describe_default(
            row["status"],
            None if pd.isna(row["reason"]) else str(row["reason"]),
            epochs=int(row["epochs"]),
            budget=self.space.budget.max_epochs,
            stage=str(row["stage"]),
            figure="" if pd.isna(row["value"]) else f"{self.objective.first.metric} {row['value']:.4g}",
            is_compared=self.default is not None,
        )

    def violations(self, trial: int) -> list[str]:
        """Describe the constraints that a trial violates, with metric and bound."""
        return self.objective.describe_violations(dict(self.trials.loc[trial]))

    def values_at(self, epoch: int) -> pd.Series:
        """Return the objective at an epoch by trial; self-ended trials keep their last value, failed ones have none."""
        if self.reports.empty:
            return pd.Series(dtype=float)
        reports = self.reports[self.reports["trial"].isin(self.trials.index[self.trials["status"] != "failed"])]
        last = reports[reports["epoch"] <= epoch].groupby("trial").tail(1).set_index("trial")
        is_final = self.trials["cause"].isin(SETTLING_CAUSES).reindex(last.index, fill_value=False)
        if COMPARABLE_END in last:  # of a later stage, the last value of an earlier one says nothing
            is_final &= last[COMPARABLE_END].fillna(np.inf) >= epoch
        return last.loc[(last["epoch"] == epoch) | is_final, VALUE].dropna().rename(f"epoch {epoch}")

    def common_rung(self, min_trials: int) -> int | None:
        """Return the highest rung at which at least `min_trials` trials can be compared; None if there is none."""
        rungs = [rung for rung in self.space.budget.rungs if len(self.values_at(rung)) >= min_trials]
        return max(rungs, default=None)

    def _goal_reports(self, trials: list[int]) -> dict[int, dict[str, float]]:
        """Return the metrics of all goals and the violation of some trials, sorted by trial."""
        keys = [*(goal.metric for goal in self.objective.goals), VIOLATION]
        rows = self.trials.rename(columns={"violation": VIOLATION}).loc[sorted(trials), keys]
        return {int(row[0]): dict(zip(keys, row[1:], strict=True)) for row in rows.itertuples(name=None)}

    def curve(self, trial: int, metric: str = VALUE) -> pd.Series:
        """Return a trial's reported metric by epoch."""
        return self.reports[self.reports["trial"] == trial].set_index("epoch")[metric]


def load(run: str | Path) -> Experiment:
    """Read a run's folder.

    Raises:
        UsageError: the folder is no run, or its `run.yaml` or `space.yaml` cannot be used.
    """
    folder = RunFolder.open(run)
    space, settings = folder.space(), folder.settings()
    frames, problems = read_trials(folder.path)
    environment, environment_problems = _read_environment(folder)
    proof, proof_problems = read_proof(folder.path / PROOF_FOLDER / PROOF_FILE)
    trials = frames.trials.set_index("trial")
    problems += [line for text in trials["problems"] for line in text.splitlines()]
    reports = add_stages_left(add_objective(frames.reports, space.objective), space.budget.max_epochs)
    summary = summarise_trials(trials, reports, space.objective)
    problems += list_incomparable(summary, reports, space.objective)
    failures = summary.loc[summary["status"] == "failed", ["epochs", "cause", "reason"]]
    if len(failures) and not (folder.path / FAILURES).is_file():
        source = inflect(len(failures), "is known from its own record", "are known from their own records")
        problems.append(f"{FAILURES} is missing; the {format_count(len(failures), 'failed trial')} {source}.")
    return Experiment(
        folder=folder,
        space=space,
        run=settings,
        environment=environment,
        trials=summary,
        reports=reports,
        settings=_parse_settings(trials["params"], [dimension.name for dimension in space.dimensions]),
        failures=failures,
        findings=frames.findings,
        proof=proof,
        problems=(*environment_problems, *proof_problems, *problems),
    )


def load_all(runs: Iterable[str | Path]) -> list[Experiment]:
    """Read several runs, in the given order."""
    return [load(run) for run in runs]


def _read_environment(folder: RunFolder) -> tuple[dict[str, Any], list[str]]:
    path = folder.path / ENVIRONMENT
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))), []
    except (OSError, ValueError, TypeError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        return {}, [f"{ENVIRONMENT} {reason}: commit, versions and machine of the run are not known."]


def _parse_settings(params: pd.Series, names: list[str]) -> pd.DataFrame:
    """Return a column per searched setting, in the space's order; `params` are JSON."""
    rows = [json.loads(text) for text in params]
    columns = dict.fromkeys([*names, *(name for row in rows for name in row)])
    return pd.DataFrame(rows, index=params.index, columns=list(columns))
