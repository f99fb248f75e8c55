"""A run as tidy frames: `load("runs/NAME")`, whether it is running, finished, killed or partly damaged.

JSON, CSV and YAML are read, nothing is unpickled. What cannot be read is named in `problems`, everything else is there.
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

from analysis.frames import fronts
from analysis.frames.lines import FEASIBLE, SECONDS, VALUE, VIOLATION, best_reports, scored, starts_of
from analysis.frames.reading import read_trials
from search.record import ENVIRONMENT, FAILURES, RunFolder
from trainables.files import RESULT, trial_folder
from trainables.objective import Objective

if TYPE_CHECKING:
    from search.space import Space

CONFIRMATION, PROOF = "retrain", "proof.json"
"""The folder of a run's confirmation, and what was found out there."""

SETTLED = ("patience", "health")
"""Causes with which a trial ends itself: what it reported last is where it had settled."""


@dataclass(frozen=True)
class Experiment:
    """One run, as far as it has got.

    Attributes:
        run: the keys of its command line; environment: what was recorded of machine and versions.
        trials: indexed by number: `status` (`running`, `finished`, `stopped`, `failed`, or `unknown` where its record
            is lost), `cause`, `reason`, `origin`, `seed`, `started`, `ended` (seconds since 1970), `epochs` reported,
            `seconds` of training; and of its best epoch `best_epoch`, `value` (the first goal's metric), `feasible`,
            `violation`, and the metrics of all goals and constraints. A failed trial has no best epoch, nor has one
            whose reports lack what the objective compares.
        reports: a row per trial and epoch, a column per reported number; those of the objective are always there.
        settings: indexed by trial: the searched settings, absent where a condition switches one off.
        failures: indexed by trial: `epochs`, `reason`.
        findings: a row per trial, epoch and health finding: `check`, `message`.
        proof: what `analysis.retrain` found out about it (`analysis.proof.judgement.Proof.as_dict`), or None.
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
        """What the run compares."""
        return self.space.objective

    @cached_property
    def ranked(self) -> list[int]:
        """The trials with a result, the one with the best epoch first, constraints kept before anything else."""
        known = self.trials[self.trials["value"].notna()]
        order = np.lexsort((known.index, -self.objective.first.sign * known["value"], known["violation"]))
        return [int(trial) for trial in known.index[order]]

    @cached_property
    def settled(self) -> pd.Series:
        """By trial, whether it used its budget or ended itself: what it reported last is what it comes to."""
        return (self.trials["status"] == "finished") | self.trials["cause"].isin(SETTLED)

    @cached_property
    def latest(self) -> pd.DataFrame:
        """The last reports of trials that did not fail, named as in `trials`: what several goals are compared by."""
        last = fronts.last_reports(self.reports)
        return last[last.index.isin(self.trials.index[self.trials["status"] != "failed"])]

    @cached_property
    def front(self) -> list[int]:
        """The trials that no other dominates at their last epoch, of those ended by themselves or their budget."""
        ended = self.settled.reindex(self.latest.index, fill_value=False)
        return fronts.front(self.latest[ended], self.objective)

    @cached_property
    def chosen(self) -> int | None:
        """The trial that stands for the run: of one goal the best, of several the front's by the objective's rule.

        None without a result, and of several goals as long as no trial has settled that keeps the constraints.
        """
        return fronts.chosen(self.latest.loc[self.front], self.objective) if self.objective.several else self.best

    @property
    def best(self) -> int | None:
        """The trial with the best epoch."""
        return self.ranked[0] if self.ranked else None

    @property
    def default(self) -> int | None:
        """The default trial, if it has a result."""
        return 0 if 0 in self.ranked else None

    def at(self, epoch: int) -> pd.Series:
        """The objective at an epoch by trial; of trials that ended themselves before it, their last. Failed: none."""
        if self.reports.empty:
            return pd.Series(dtype=float)
        known = self.reports[self.reports["trial"].isin(self.trials.index[self.trials["status"] != "failed"])]
        known = known[known["epoch"] <= epoch]
        last = known.groupby("trial").tail(1).set_index("trial")
        settled = self.trials["cause"].isin(SETTLED).reindex(last.index, fill_value=False)
        return last.loc[(last["epoch"] == epoch) | settled, VALUE].dropna().rename(f"epoch {epoch}")

    def common_rung(self, least: int) -> int | None:
        """The highest rung at which so many trials can be compared; None if there is none."""
        rungs = [rung for rung in self.space.budget.rungs if len(self.at(rung)) >= least]
        return max(rungs, default=None)

    def curve(self, trial: int, metric: str = VALUE) -> pd.Series:
        """A trial's reported metric by epoch."""
        return self.reports[self.reports["trial"] == trial].set_index("epoch")[metric]


def load(run: str | Path) -> Experiment:
    """Read a run's folder.

    Raises:
        UsageError: it is no run, or its `run.yaml` or `space.yaml` cannot be used.
    """
    folder = RunFolder.open(run)
    space, settings = folder.space(), folder.settings()
    frames, problems = read_trials(folder.path)
    environment, said = _environment(folder)
    proof, unproved = _proof(folder)
    trials = frames.trials.set_index("trial")
    problems += [line for text in trials["problems"] for line in text.splitlines()]
    reports = scored(frames.reports, space.objective)
    summary = _summary(trials, reports, space.objective)
    problems += _incomparable(summary, reports, space.objective)
    failures = summary.loc[summary["status"] == "failed", ["epochs", "reason"]]
    if len(failures) and not (folder.path / FAILURES).is_file():
        problems.append(f"{FAILURES} is missing; the {len(failures)} failed are known from their own records.")
    return Experiment(
        folder=folder,
        space=space,
        run=settings,
        environment=environment,
        trials=summary,
        reports=reports,
        settings=_settings(trials["params"], [dimension.name for dimension in space.dimensions]),
        failures=failures,
        findings=frames.findings,
        proof=proof,
        problems=(*said, *unproved, *problems),
    )


def load_all(runs: Iterable[str | Path]) -> list[Experiment]:
    """Several runs, in their order."""
    return [load(run) for run in runs]


def _environment(folder: RunFolder) -> tuple[dict[str, Any], list[str]]:
    path = folder.path / ENVIRONMENT
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))), []
    except (OSError, ValueError, TypeError) as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        return {}, [f"{ENVIRONMENT} {why}: commit, versions and machine of the run are not known."]


def _proof(folder: RunFolder) -> tuple[dict[str, Any] | None, list[str]]:
    """The proof if there is one, and a sentence on one that cannot be used."""
    path = folder.path / CONFIRMATION / PROOF
    try:
        proof = json.loads(path.read_text(encoding="utf-8"))
        rows = [*proof["candidates"], proof["default"]]
        complete = isinstance(proof["sentence"], str) and all({"trial", "values", "mean"} <= set(row) for row in rows)
    except FileNotFoundError:
        return None, []
    except (OSError, ValueError, KeyError, TypeError):
        complete = False
    if complete:
        return proof, []
    return None, [f"{CONFIRMATION}/{PROOF} is damaged or not complete: `python -m analysis.retrain` writes it again."]


def _settings(params: pd.Series, names: list[str]) -> pd.DataFrame:
    """A column per searched setting, in the space's order; `params` are JSON."""
    rows = [json.loads(text) for text in params]
    found = dict.fromkeys([*names, *(name for row in rows for name in row)])
    return pd.DataFrame(rows, index=params.index, columns=list(found))


def _summary(trials: pd.DataFrame, reports: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    """The trials with how far they got and their best epoch."""
    metrics = [*dict.fromkeys([*(goal.metric for goal in objective.goals), *objective.constraints])]
    kept = trials[["status", "cause", "reason", "origin", "seed", "started", "ended"]]
    if reports.empty:
        empty = dict.fromkeys(["seconds", "best_epoch", "value", "feasible", "violation", *metrics], np.nan)
        return kept.assign(epochs=0, **empty)
    starts = starts_of(reports)
    ends = np.append(starts[1:], len(reports))
    spent = pd.DataFrame(
        {"epochs": ends - starts, "seconds": reports[SECONDS].to_numpy()[ends - 1]},
        index=pd.Index(reports["trial"].to_numpy()[starts], name="trial"),
    )
    names = {VALUE: "value", VIOLATION: "violation", FEASIBLE: "feasible"}
    best = best_reports(reports, objective).rename(columns={**names, "epoch": "best_epoch"})
    best = best[[*dict.fromkeys(["best_epoch", *names.values(), *metrics])]]
    summary = kept.join(spent).join(best)
    summary.loc[summary["status"] == "failed", best.columns] = np.nan
    return summary.assign(epochs=summary["epochs"].fillna(0).astype(int))


def _incomparable(summary: pd.DataFrame, reports: pd.DataFrame, objective: Objective) -> list[str]:
    """Sentences on trials that have reports, and none that the objective can compare."""
    left = summary.index[(summary["status"] != "failed") & (summary["epochs"] > 0) & summary["value"].isna()]
    needed = [*dict.fromkeys([objective.first.metric, *objective.constraints])]
    found = reports[reports["trial"].isin(left)].groupby("trial")[needed].count()
    said = []
    for trial, counts in zip(found.index, found.to_numpy(), strict=True):
        lacking = [name for name, count in zip(needed, counts, strict=True) if not count]
        what = " or ".join(lacking) or f"{' and '.join(needed)} of one epoch"
        file = trial_folder(Path(), trial) / RESULT
        said.append(f"{file} has no number for {what}: that trial has no best epoch and is not compared.")
    return said
