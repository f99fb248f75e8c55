"""What a trial costs that trains nothing, with re-used actors and with a fresh process for each.

    python -m benchmarks.overhead [trials=30]

Both searches run in turn in the same call, one trial at a time, so that the ratio holds on a noisy machine. The figure
is the time between the ends of consecutive trials: all that the platform adds, reporting and checkpoint included.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from trainables.commands import parse_arguments, run_command
from trainables.settings import Settings, setting

SPACE = """
variant: benchmarks.curves
objective: {metric: val/score}
budget: {max_epochs: 1, grace_epochs: 1}
searcher: {kind: random}
params:
  x: {uniform: [0.0, 1.0]}
"""


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line."""

    trials: int = setting(30, "empty trials in each of the two searches", low=3)


def main(arguments: list[str]) -> int:
    """Measure and print; returns the exit code."""
    trials = Measurement.from_dict(parse_arguments(arguments)).trials
    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder) / "empty.yaml"
        space.write_text(SPACE, encoding="utf-8")
        seconds = {reuse: _median_gap(space, trials, reuse) for reuse in (True, False)}
    print(f"empty trial, re-used actor   {seconds[True]:.3f} s")
    print(f"empty trial, fresh process   {seconds[False]:.3f} s")
    print(f"ratio                        {seconds[False] / seconds[True]:.1f}")
    return 0


def _median_gap(space: Path, trials: int, reuse: bool) -> float:
    """Measure the median time between the ends of consecutive trials of a search."""
    run = space.parent / f"reuse-{reuse}"
    words = [
        f"space={space}",
        f"storage={run.parent}",
        f"name={run.name}",
        f"budget.trials={trials}",
        "max_concurrent=1",
    ]
    reuse_word = f"reuse_actors={str(reuse).lower()}"
    subprocess.run([sys.executable, "-m", "search.run", *words, reuse_word, "quiet=true"], check=True)
    ends = sorted(json.loads(path.read_text())["ended"] for path in run.glob("trial_*/trial.json"))
    return statistics.median(later - sooner for sooner, later in itertools.pairwise(ends))


if __name__ == "__main__":
    run_command(main)
