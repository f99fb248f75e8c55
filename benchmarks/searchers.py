"""Does the rung-aware searcher find better configs sooner? A discrete-event simulation on the LCBench surrogate.

    python -m benchmarks.searchers data=FOLDER            needs onnxruntime; FOLDER holds model.onnx and encoding.json

Eight workers train configs of a task; a training takes as long as the surrogate says, and reports its validation
accuracy after each of 52 epochs. Searcher and scheduler are the project's own, on a board in memory. The regret is that
of the best accuracy seen, relative to the best of 1,500 random full trainings, in points of accuracy, when 4 and 8
times the median cost of one full training have passed. All methods run in one call on the same tasks and seeds:

  * random: random configs, ASHA;
  * mixed: the same TPE, but the last value of a stopped trial counts as its final one, as where Optuna is plugged into
    ASHA; ASHA;
  * rung: the project's searcher, ASHA.

Tasks at even positions are for tuning; those at odd ones are reported (`tasks=odd`).
"""

from __future__ import annotations

import heapq
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime

from search import searcher
from search.board import Board
from search.record import RunFolder, Status, TrialRecord
from search.scheduler import should_stop
from search.space import Space
from trainables.commands import parse_arguments, run_command
from trainables.settings import Settings, setting

EPOCHS, WORKERS, RANDOM = 52, 8, 1500
EXCLUDED_TASKS = ("#na#", "167083")
PARAMS: dict[str, Any] = {
    "batch_size": {"randint": [16, 513], "log": True},
    "learning_rate": {"loguniform": [1e-4, 1e-1]},
    "momentum": {"uniform": [0.1, 0.99]},
    "weight_decay": {"uniform": [1e-5, 1e-1]},
    "num_layers": {"randint": [1, 6]},
    "max_units": {"randint": [64, 1025], "log": True},
    "max_dropout": {"uniform": [0.0, 1.0]},
}
Method = Literal["random", "mixed", "rung"]


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line."""

    data: str = setting(help="folder of the surrogate")
    tasks: Literal["even", "odd"] = setting("odd", "which half of the tasks")
    count: int = setting(4, "tasks of that half, evenly spread", low=1)
    seeds: int = setting(2, "searches per task and method", low=1)
    grace: int = setting(3, "first rung in epochs", low=1)


def main(arguments: list[str]) -> int:
    """Measure and print a table; returns the exit code."""
    measurement = Measurement.from_dict(parse_arguments(arguments))
    surrogate = Surrogate(Path(measurement.data))
    half = surrogate.tasks[measurement.tasks == "odd" :: 2]
    tasks = half[:: max(1, len(half) // measurement.count)][: measurement.count]
    methods: tuple[Method, ...] = ("random", "mixed", "rung")
    regrets: dict[Method, list[tuple[float, float]]] = {method: [] for method in methods}
    for task in tasks:
        best, cost = surrogate.reference(task)
        for seed in range(measurement.seeds):
            for method in methods:
                curve = simulate(surrogate, task, method, seed, measurement.grace, until=8 * cost)
                at = [max((value for time, value in curve if time <= times * cost), default=0.0) for times in (4, 8)]
                regrets[method].append((best - at[0], best - at[1]))
            print(f"task {task} seed {seed}: " + "  ".join(f"{m} {regrets[m][-1][0]:.3f}" for m in methods), flush=True)
    print(f"\n{len(tasks)} tasks × {measurement.seeds} seeds, grace {measurement.grace}: mean regret at 4, at 8")
    for method in methods:
        print(
            f"  {method:<8}"
            + "".join(f"{statistics.fmean(values):>9.3f}" for values in zip(*regrets[method], strict=True))
        )
    return 0


class Surrogate:
    """LCBench's learning curves."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        self._codes: dict[str, int] = json.loads((folder / "encoding.json").read_text())["OpenML_task_id"]
        self.tasks = [task for task in self._codes if task not in EXCLUDED_TASKS]

    def curve(self, task: str, params: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return cumulative seconds and validation accuracy in percent, `[52]` each, of a training."""
        rows = np.array([[epoch, *(params[name] for name in PARAMS)] for epoch in range(1, EPOCHS + 1)], np.float32)
        out = self._query(task, rows)
        return np.maximum.accumulate(out[:, 0]), out[:, 1]

    def reference(self, task: str) -> tuple[float, float]:
        """Return the best accuracy of many random full trainings, and their median cost in seconds."""
        space = _space(3)
        boards = Board(_Memory(), space)
        configs = [searcher.propose(boards, 12345, number)[0] for number in range(1, RANDOM + 1)]
        rows = np.array([[EPOCHS, *(config[name] for name in PARAMS)] for config in configs], np.float32)
        out = self._query(task, rows)
        return float(out[:, 1].max()), float(np.median(out[:, 0]))

    def _query(self, task: str, rows: np.ndarray) -> np.ndarray:
        codes = np.full((len(rows), 1), self._codes[task], np.int32)
        names = [item.name for item in self._session.get_inputs()]
        inputs = {name: codes if "cat" in name else rows for name in names}
        return np.asarray(self._session.run(None, inputs)[0])


def simulate(
    surrogate: Surrogate, task: str, method: Method, seed: int, grace: int, until: float
) -> list[tuple[float, float]]:
    """Simulate a search of eight workers; returns (time, best accuracy so far) after every report."""
    board = _Mixed(_Memory(), _space(grace)) if method == "mixed" else Board(_Memory(), _space(grace))
    if method == "random":
        board.space = replace(board.space, searcher=replace(board.space.searcher, kind="random"))
    events: list[tuple[float, int, int]] = []  # when, which trial, which epoch
    curves: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    starts: dict[int, float] = {}

    def start(now: float) -> None:
        trial = board.begin(*searcher.propose(board, seed, board.next_number))
        curves[trial.number], starts[trial.number] = surrogate.curve(task, trial.params), now
        heapq.heappush(events, (now + curves[trial.number][0][0], trial.number, 1))

    for _ in range(WORKERS):
        start(0.0)
    best: list[tuple[float, float]] = []
    while events[0][0] <= until:
        now, number, epoch = heapq.heappop(events)
        value = float(curves[number][1][epoch - 1])
        best.append((now, max(value, best[-1][1] if best else 0.0)))
        board.report(
            number, {"epoch": epoch, "val/accuracy": value, "objective/value": value, "objective/feasible": 1.0}
        )
        stop = should_stop(board, number, epoch)
        if epoch < EPOCHS and stop is None:
            heapq.heappush(events, (starts[number] + curves[number][0][epoch], number, epoch + 1))
            continue
        board.end(number, "finished" if epoch == EPOCHS else "stopped", "scheduler", stop or "")
        start(now)
    return best


class _Memory(RunFolder):
    """A run's folder that keeps nothing."""

    def __init__(self) -> None:
        super().__init__(Path())

    def trials(self) -> list[TrialRecord]:
        return []

    def begin(self, trial: TrialRecord) -> TrialRecord:
        return trial

    def end(self, trial: TrialRecord, status: Status, cause: str, reason: str, errno: str | None = None) -> TrialRecord:
        return replace(trial, status=status, cause=cause, reason=reason, errno=errno)


class _Mixed(Board):
    """A board on which the last value of a stopped trial counts as its final one."""

    def end(self, number: int, status: Status, cause: str, reason: str, errno: str | None = None) -> None:
        super().end(number, status, cause, reason, errno)
        trial = self.trials[number]
        self.trials[number] = replace(trial, reports=(*trial.reports, {**trial.reports[-1], "epoch": EPOCHS}))


def _space(grace: int) -> Space:
    source = {
        "variant": "benchmarks.lcbench",
        "objective": {"metric": "val/accuracy"},
        "budget": {"trials": 10_000, "max_epochs": EPOCHS, "grace_epochs": grace, "reduction": 3},
        "params": PARAMS,
    }
    return Space.from_source("lcbench", source)


if __name__ == "__main__":
    run_command(main)
