"""The baselines of a run: computed once before its first trial, and told."""

from __future__ import annotations

from pathlib import Path

from search.request import Run
from search.space import Space
from trainables.baselines import Baselines, compute_once
from trainables.progress import silence


def compute_baselines(folder: Path, run: Run, space: Space) -> Baselines:
    """Compute what chance and trivial methods reach, unless the run's folder has it, and print it by the goals."""
    if not run.quiet and space.entry.has_baselines:
        print("  baselines: what chance and trivial methods reach on validation …", flush=True)
    with silence(run.quiet):
        baselines = compute_once(folder, space.entry, space.config(space.default_params()), space.data)
    for line in [] if run.quiet else baselines.compare(space.objective, {}):
        print(f"    {line}", flush=True)
    return baselines
