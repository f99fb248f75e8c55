"""Whether every place that prints a figure of a trial prints the same one.

    python -m benchmarks.agreement [spaces=mask_st,noise_mask,…] [trials=6] [storage=FOLDER]

Searches each space, then runs every other command on the run: best, report, compare, retrain, export, train and
inference. Every figure that they print or write for a trial is compared with the trial's own record, which is read
without `analysis`; a training in full repeats the exported one and must print the same. One thread, so that the same
training gives the same bits.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.agreement import places
from benchmarks.agreement.figures import Figure, tabulate
from benchmarks.agreement.record import Record
from trainables.commands import command_help, parse_arguments, run_command
from trainables.registry import names
from trainables.settings import Settings, UsageError, setting

EVALUATE = """
import json, sys
from pathlib import Path
from trainables.export.recipe import Recipe
from trainables.files import CONFIG, WEIGHTS
from trainables.training.weights import load_weights
folder = Path(sys.argv[1])
recipe = Recipe.read(folder / CONFIG, {}, {})
variant = recipe.entry.build(recipe.config, recipe.data, seed=recipe.seed)
load_weights(folder / WEIGHTS, variant)
print(json.dumps(variant.evaluate("val")))
"""


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line."""

    spaces: str = setting("", "spaces to search, with commas between them; empty: one per variant")
    trials: int = setting(6, "trials of each search", low=2)
    storage: str = setting("", "folder that keeps the runs; empty: a temporary one")


def main(arguments: list[str]) -> int:
    """Run all commands and print the table; returns 1 where a figure differs."""
    if {"--help", "-h", "help"} & set(arguments):
        print(command_help(__doc__ or "", Measurement))
        return 0
    measurement = Measurement.from_dict(parse_arguments(arguments))
    differ = False
    with ExitStack() as stack:
        storage = measurement.storage or stack.enter_context(tempfile.TemporaryDirectory())
        for space in filter(None, measurement.spaces.split(",")) if measurement.spaces else names():
            figures = list(_collect(space, Path(storage).resolve(), measurement.trials))
            print(f"\n{space}\n{tabulate(figures)}", flush=True)
            differ = differ or not all(figure.agrees for figure in figures)
    return int(differ)


def _collect(space: str, storage: Path, trials: int) -> Iterator[Figure]:
    """Run every command on one space, and read what it shows."""
    run, record = storage / space, Record(storage / space)
    words = [f"space={space}", f"storage={storage}", f"name={space}", f"budget.trials={trials}"]
    yield from places.read_search(_run("search.run", *words), record)
    yield from places.read_best(run, _run("analysis.best", f"run={run}", f"top={trials}"), record)
    yield from places.read_events(run, record)
    copy = storage / f"{space}-copy"
    shutil.copytree(run, copy)
    output = _run("analysis.compare", f"runs=[{run},{copy}]", f"to={storage / f'{space}-compare.html'}")
    yield from places.read_compare(output, [copy.name, run.name], record)
    output = _run("analysis.retrain", f"run={run}", "top=1", "seeds=2", "test=true")
    proof = Record(run / "retrain")
    yield from places.read_proof(run, output, proof)
    _run("analysis.report", f"run={run}")
    yield from places.read_summary(run, record)
    yield from places.read_page(run, record)
    yield from _follow_export(run, "", proof)
    yield from _follow_export(copy, "trial=0", record)


def _follow_export(run: Path, trial: str, record: Record) -> Iterator[Figure]:
    """Export a training, evaluate the export, and train it again."""
    folder = run.parent / f"{run.name}-export"
    output = _run("analysis.export", f"run={run}", f"to={folder}", *filter(None, [trial]))
    metric = record.goals[0][0]
    number = next(
        number
        for number in record.trials
        if (record.path / f"trial_{number:04d}" / "best.safetensors").read_bytes()
        == (folder / "model.safetensors").read_bytes()
    )
    report = record.standing_report(number)
    yield from places.read_export(folder, output, report, metric)
    yield from places.read_inference(_run(None, str(folder)), report)
    output = _run("trainables.train", f"config={folder / 'config.yaml'}", "device=cpu")
    yield from places.read_training(output, record.reports(number), report, metric)


def _run(module: str | None, *words: str) -> str:
    """Run a command, or without one the evaluation of an export; returns what it prints.

    Raises:
        UsageError: it did not end well.
    """
    command = [sys.executable, *(["-m", module] if module else ["-c", EVALUATE]), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode not in (0, 1):  # 1: a trial failed, or the default won
        raise UsageError(f"{module or 'inference'} ended with exit code {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


if __name__ == "__main__":
    run_command(main)
