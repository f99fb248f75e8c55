"""The time to read a large run: `python -m benchmarks.reading trials=10000 reports=100`.

Writes a run of that size whose reports have the keys of mask_st; measures how long its frames take cold (no `.frames`
yet; the files may be in the system's cache), three more times from the cache, and its page, each in a new process.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from tqdm import tqdm

from analysis.frames.reading import FRAMES_FOLDER
from search.record import FAILURES, TRIAL, RunFolder
from search.space import Space
from trainables.commands import parse_arguments, run_command
from trainables.files import RESULT, trial_folder
from trainables.settings import Settings, setting
from trainables.training.loop import Loop

LOAD = (
    "import time; from analysis.frames.experiment import load; start = time.perf_counter(); load({run!r}); "
    "print(time.perf_counter() - start)"
)


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line."""

    trials: int = setting(10_000, "trials of the run", low=1)
    reports: int = setting(100, "epochs of each", low=3)
    folder: str = setting("", "where to write it; empty: a temporary folder, removed afterwards")


def main(arguments: list[str]) -> int:
    """Write, measure and print; returns the exit code."""
    measurement = Measurement.from_dict(parse_arguments(arguments))
    parent = Path(measurement.folder or tempfile.mkdtemp())
    run = parent / "run"
    try:
        write_run(run, measurement.trials, measurement.reports)
        size = sum(path.stat().st_size for path in run.rglob("*.json"))
        print(f"{measurement.trials} trials × {measurement.reports} reports, {size / 1e9:.2f} GB of JSON", flush=True)
        shutil.rmtree(run / FRAMES_FOLDER, ignore_errors=True)
        print(f"frames, cold     {_seconds(LOAD.format(run=str(run))):6.2f} s", flush=True)
        times = [_seconds(LOAD.format(run=str(run))) for _ in range(3)]
        print(f"frames, cached   {' '.join(f'{seconds:6.2f}' for seconds in times)} s", flush=True)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "analysis.report", f"run={run}"], check=True, stdout=subprocess.DEVNULL)
        page = (run / "report.html").stat().st_size
        print(f"page             {time.perf_counter() - start:6.2f} s, {page / 1e6:.2f} MB", flush=True)
    finally:
        if not measurement.folder:
            shutil.rmtree(parent)
    return 0


def write_run(path: Path, trials: int, reports: int) -> None:
    """Write a finished run of mask_st's space with synthetic curves, whose height depends on `lr` and `keep_ratio`."""
    budget = {"trials": trials, "max_epochs": reports, "grace_epochs": 3}
    space = Space.load("mask_st", {"budget": budget})
    folder = RunFolder.create(path, {"seed": 0, "space_name": "mask_st"}, space)
    keys = _keys(space)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study, rng = optuna.create_study(sampler=optuna.samplers.RandomSampler(0)), np.random.default_rng(0)
    for number in tqdm(range(trials), desc="writing", disable=None):
        params = space.sample(study.ask()) if number else space.default_params()
        _write_trial(trial_folder(folder.path, number), number, params, _curve(params, reports, rng), keys, rng)
    (path / FAILURES).unlink(missing_ok=True)


def _keys(space: Space) -> list[str]:
    """List the numeric keys of a report of mask_st."""
    config = space.entry.Config.from_dict({**space.fixed, "image_size": 32})
    data = space.entry.Data.from_dict({"train_size": 24, "val_size": 16})
    report = Loop(space.entry.build(config, data), space.objective).run_epoch()
    return [key for key, value in report.items() if isinstance(value, int | float) and key != "epoch"]


def _curve(params: Mapping[str, Any], reports: int, rng: np.random.Generator) -> np.ndarray:
    top = 0.9 - 0.1 * (np.log10(params["lr"]) + 2.5) ** 2 - 0.3 * abs(params["keep_ratio"] - 0.1) + rng.normal() * 0.01
    curve: np.ndarray = top - 0.4 / (2 + np.arange(reports)) + 0.005 * rng.normal(size=reports)
    return curve


def _write_trial(
    folder: Path, number: int, params: Mapping[str, Any], curve: np.ndarray, keys: list[str], rng: np.random.Generator
) -> None:
    folder.mkdir()
    record = {"number": number, "params": params, "origin": "random" if number else "default", "status": "finished"}
    record |= {"cause": "budget", "reason": f"trained its {len(curve)} epochs", "started": number, "ended": number + 9}
    (folder / TRIAL).write_text(json.dumps(record))
    values = rng.random((len(curve), len(keys))).tolist()
    with (folder / RESULT).open("w") as file:
        for epoch, (value, row) in enumerate(zip(curve.tolist(), values, strict=True), start=1):
            report = {"epoch": epoch, **dict(zip(keys, row, strict=True)), "time/total_s": 0.5 * epoch}
            report |= {"val/auroc_macro": value, "objective/value": value, "health/coverage_error": 0.01}
            report |= {"objective/violation": 0.0, "objective/feasible": 1.0, "train/stage": 0.0}
            file.write(json.dumps({**report, "findings": [], "stop_reason": None}) + "\n")


def _seconds(code: str) -> float:
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    run_command(main)
