"""By what can a heated trial be judged? Figures at a rung against the same trial's at the end of fine-tuning.

    python -m benchmarks.noise_mask_rungs

Trains random settings of the space `noise_mask`, each in full, and scores each at the rungs in several ways: as it is,
with its batch norms measured anew, and by copies that are fine-tuned for some steps; and as trials are scored, which is
by such a copy under masks, and as it is without. Prints the rank correlation (Spearman) of each with the final balanced
accuracy on validation, with an interval (bootstrap over trials), for trials that are under masks at that rung and for
all; by how much trials with and without masks still rise; and how many are past the border, which are all that could be
compared if figures under masks did not count. Without masks, batch norms are measured anew in any case.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import optuna
import torch
from scipy import stats

from benchmarks.seeds import over_seeds
from search.space import Space
from trainables.commands import command, parse
from trainables.export.recipe import Recipe
from trainables.noise_mask.variant import NoiseMask
from trainables.settings import Settings, setting
from trainables.training.loop import Loop

STEPS = (5, 20)
AS_SCORED = "as trials are scored"
_KEY = "val/accuracy_balanced_maskfree"


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line."""

    trials: int = setting(40, "random settings that are trained", low=4)
    seed: int = setting(0, "of the settings and trainings", low=0)
    workers: int = setting(2, "trainings at a time, one thread each", low=1)


class Judged(NamedTuple):
    """Of one training.

    Attributes:
        rungs: rung → way → balanced accuracy.
        masked: rung → whether the training was under masks.
        never_masked: whether it had none at all.
        final: balanced accuracy at the end.
    """

    rungs: dict[int, dict[str, float]]
    masked: dict[int, bool]
    never_masked: bool
    final: float


def main(arguments: list[str]) -> int:
    """Measure and print a table; returns the exit code."""
    measurement, _ = parse(arguments, Measurement, ())
    space = Space.load("noise_mask")
    rows = {str(number): each for number, each in enumerate(_recipes(space, measurement))}
    space.entry.prepare(space.config({}), space.data)
    found = [results[0] for _, results in over_seeds(rows, train, 1, measurement.workers)]
    finals = [each.final for each in found]
    print(f"{len(found)} trainings of {space.budget.max_epochs} epochs; final {min(finals):.3f} to {max(finals):.3f}")
    for rung in space.budget.rungs[:-1]:
        _print_rung(rung, found)
    return 0


def train(recipe: Recipe, seed: int) -> Judged:
    """A training in full, and what it looks like at the rungs."""
    torch.set_num_threads(1)
    variant = recipe.entry.build(recipe.config, recipe.data, seed=recipe.seed + seed)
    assert isinstance(variant, NoiseMask)  # for the type checker
    loop = Loop(variant, recipe.objective)
    rungs: dict[int, dict[str, float]] = {}
    masked: dict[int, bool] = {}
    compared = Space.load("noise_mask").budget.rungs[:-1]
    while not loop.finished:
        report = loop.epoch()
        if loop.epoch_done in compared:
            rungs[loop.epoch_done] = {AS_SCORED: report[_KEY], **_ways(variant)}
            masked[loop.epoch_done] = bool(report["train/masked"])
    return Judged(rungs, masked, variant.config.objective == "none", report[_KEY])


def _ways(variant: NoiseMask) -> dict[str, float]:
    nets = {"as it is": variant.classifier, "batch norms measured anew": variant.probed(0)}
    nets |= {f"{steps} steps of fine-tuning": variant.probed(steps) for steps in STEPS}
    return {name: variant.figures(net, "val")["accuracy_balanced"] for name, net in nets.items()}


def _print_rung(rung: int, found: Sequence[Judged]) -> None:
    under = [each for each in found if each.masked[rung]]
    without = [each for each in found if not each.masked[rung]]
    none = sum(each.never_masked for each in found)
    print(f"epoch {rung}: {len(under)} are under masks, {len(without) - none} past the border, {none} never had masks")
    for title, judged in (("under masks", under), ("all", found)):
        for way in found[0].rungs[rung]:
            values = [each.rungs[rung][way] for each in judged]
            print(f"  {title:<12}{way:<30}{_correlation(values, [each.final for each in judged])}", flush=True)
    for title, judged in (("under masks", under), ("without masks", without)):
        rises = [each.final - each.rungs[rung][AS_SCORED] for each in judged]
        if rises:
            print(f"  {title}, from the score at the rung to the end: {np.mean(rises):+.3f}", flush=True)


def _recipes(space: Space, measurement: Measurement) -> list[Recipe]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(measurement.seed))
    found: list[Recipe] = []
    while len(found) < measurement.trials:
        config = space.config(space.sample(study.ask()))
        found.append(Recipe(space.entry, config, space.data, space.objective, measurement.seed + len(found)))
    return found


def _correlation(values: Sequence[float], finals: Sequence[float]) -> str:
    """Spearman's ρ with its 95 % interval."""
    if len(values) < 3:
        return "too few trials"

    def rho(one: np.ndarray, other: np.ndarray) -> float:
        return float(stats.spearmanr(one, other).statistic)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)  # of a sample in which all are equal
        found = stats.bootstrap(
            (values, finals), rho, paired=True, vectorized=False, method="percentile", n_resamples=2000,
            rng=np.random.default_rng(0),
        )  # fmt: skip
    low, high = found.confidence_interval
    return f"{rho(np.array(values), np.array(finals)):+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    command(main)
