"""A search without Ray, on `benchmarks.curves`: the platform's own searcher and scheduler, driven by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import TrialScheduler

from search.board import Board, Proposal
from search.record import RunFolder, TrialRecord
from search.scheduler import BoardScheduler
from search.searcher import BoardSearcher, propose
from search.space import Space
from trainables.files import RESULT, append_line, trial_folder
from trainables.training.folder import TrainingFolder
from trainables.training.loop import Loop
from trainables.training.monitor import DivergedError

PARAMS = {"x": {"uniform": [0.0, 1.0]}, "y": {"uniform": [0.0, 1.0]}}
YAML = """\
variant: benchmarks.curves
objective: {metric: val/score}
constraints: {val/cost: 0.5}
budget: {trials: 8, max_epochs: 4, grace_epochs: 2}
fixed: {epoch_s: 0}
params:
  lr: {loguniform: [1e-5, 1e-3]}
  x: {uniform: [0, 1]}
  kind: {choice: [plain, shifted]}
  shift: {uniform: [0, 0.5], when: {kind: shifted}}
"""
Results = Iterator[dict[str, Any]]
Train = Callable[[Board, Mapping[str, Any]], Results]


def source(**parts: Any) -> dict[str, Any]:
    """Make a space over the curves as its YAML would be, with parts of it replaced."""
    base = {"variant": "benchmarks.curves", "objective": {"metric": "val/score"}, "params": PARAMS}
    return {**base, "budget": {"trials": 12, "max_epochs": 9, "grace_epochs": 3}, **parts}


def space(**parts: Any) -> Space:
    return Space.from_source("curves", source(**parts))


def board(folder: Path, **parts: Any) -> Board:
    """Make an empty board on a new run."""
    made = space(**parts)
    return Board(RunFolder.create(folder, {"seed": 0, "space_name": "curves"}, made), made)


def reopened(folder: Path) -> Board:
    """Read the board as a new process would."""
    run = RunFolder.open(folder)
    return Board(run, run.space())


def report(of: Space, params: Mapping[str, Any], epoch: int) -> dict[str, Any]:
    """Compute what a trial with these parameters reports after an epoch, without the training."""
    variant = of.entry.build(of.config(params), of.data)
    variant.epoch = epoch  # type: ignore[attr-defined]
    values = {f"val/{key}": value for key, value in variant.evaluate("val").items()}
    values["health/excess"] = values.pop("val/health/excess")
    made = {"epoch": epoch, **values, "time/total_s": 0.1 * epoch}
    return {**made, **of.objective.score(made)}


def by_formula(on: Board, config: Mapping[str, Any]) -> Results:
    """Yield a trial's reports from where it was left to its budget, each appended to its `reports.jsonl`."""
    epochs = on.space.budget.max_epochs
    path = trial_folder(on.folder.path, config["trial"]) / RESULT
    for epoch in range(on.epochs(config["trial"]) + 1, epochs + 1):
        made = {**report(on.space, config["params"], epoch), "stop_reason": None}
        append_line(path, {**made, "findings": []})
        yield {**made, "done": epoch == epochs}


def by_training(on: Board, config: Mapping[str, Any]) -> Results:
    """Train a trial, which leaves its folder as `trainables.trials.trial` does."""
    of = on.space
    variant = of.entry.build(of.config(config["params"]), of.data, seed=config.get("seed") or 0)
    folder = TrainingFolder(
        trial_folder(on.folder.path, config["trial"]), Loop(variant, of.objective), config["params"]
    )
    try:
        while not folder.loop.finished:
            made = folder.run_epoch()
            yield {**made, "done": folder.loop.finished, "stop_reason": folder.loop.monitor.stop_reason}
    except (DivergedError, RuntimeError) as error:
        yield {"epoch": folder.loop.epoch_done, "failed": True, "done": True, "stop_reason": str(error)}
    finally:
        folder.close()


def search(
    on: Board,
    *,
    seed: int = 0,
    concurrent: int = 1,
    reports: float = float("inf"),
    train: Train = by_formula,
    proposal: Callable[[int], Proposal] | None = None,
):
    """Run a board's unfinished and remaining trials as Ray would, `concurrent` at a time, each report from one of them
    by chance; return when all have ended, or after so many reports, as a kill would."""
    searcher, scheduler = BoardSearcher(on, proposal or partial(propose, on, seed)), BoardScheduler(on)
    running: list[tuple[Any, Results]] = []
    chance = random.Random(seed)
    while reports > 0:
        while len(running) < concurrent and isinstance(config := searcher.suggest("any"), dict):
            running.append((SimpleNamespace(config=config), train(on, config)))
        if not running:
            return
        place = chance.randrange(len(running))
        trial, results = running[place]
        result = next(results)
        reports -= 1
        if result["done"]:
            scheduler.on_trial_complete(None, trial, result)
        elif scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
            scheduler.on_trial_complete(None, trial, result)
            result["done"] = True
        if result["done"]:
            running.pop(place)
    for _, results in running:
        results.close()  # type: ignore[attr-defined]


def add(
    on: Board, params: Mapping[str, Any], *, epochs: int = 0, ended: str = "", cause: str = "", origin: str = "random"
):
    """Add a trial as it stands after so many epochs, and how it ended, if it did."""
    trial = on.begin(params, origin)
    for epoch in range(1, epochs + 1):
        on.report(trial.number, report(on.space, params, epoch))
    if ended:
        on.end(trial.number, ended, cause, f"{cause}: for the test")  # type: ignore[arg-type]
    return on.trials[trial.number]


def known(trial: TrialRecord) -> tuple[Any, ...]:
    """Return what must not depend on when a search was interrupted."""
    return trial.number, trial.params, trial.origin, trial.status, trial.cause, trial.reason
