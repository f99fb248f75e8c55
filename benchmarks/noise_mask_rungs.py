"""By what can a heated trial be judged? Figures at a rung against the same trial's at the end of fine-tuning.

    python -m benchmarks.noise_mask_rungs

Trains random settings of the space `noise_mask` that have masks, each in full, and scores each at the rungs in three
ways: as it is, with its batch norms measured anew, and by copies that are fine-tuned for some steps. Prints the rank
correlation (Spearman) of each with the final balanced accuracy on validation, with an interval (bootstrap over trials),
and how many trials are fine-tuning already, which are all that can be compared if trials count after the border alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import optuna
import torch
from scipy import stats

from benchmarks.seeds import over_seeds
from search.space import Space
from trainables.arguments import parse
from trainables.artifact import Recipe
from trainables.loop import Loop
from trainables.noise_mask.config import Config
from trainables.noise_mask.variant import NoiseMask
from trainables.settings import Settings, command, setting

STEPS = (0, 5, 20)
AS_IT_IS = "as it is"
_KEY = "accuracy_balanced_maskfree"


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line."""

    trials: int = setting(24, "random settings that are trained", low=4)
    seed: int = setting(0, "of the settings and trainings", low=0)
    workers: int = setting(2, "trainings at a time, one thread each", low=1)


class Judged(NamedTuple):
    """Of one training.

    Attributes:
        rungs: rung → way → balanced accuracy; fine_tuning: rung → whether it was past the border; final: at the end.
    """

    rungs: dict[int, dict[str, float]]
    fine_tuning: dict[int, bool]
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
        beyond = sum(each.fine_tuning[rung] for each in found)
        print(f"epoch {rung}: {beyond} of {len(found)} are fine-tuning already")
        for way in found[0].rungs[rung]:
            print(f"  {way:<42}{_correlation([each.rungs[rung][way] for each in found], finals)}", flush=True)
    return 0


def train(recipe: Recipe, seed: int) -> Judged:
    """A training in full, and what it looks like at the rungs."""
    torch.set_num_threads(1)
    variant = recipe.entry.build(recipe.config, recipe.data, seed=recipe.seed + seed)
    assert isinstance(variant, NoiseMask)  # for the type checker
    loop, rungs = Loop(variant, recipe.objective), {}
    fine_tuning, compared = {}, Space.load("noise_mask").budget.rungs[:-1]
    while not loop.finished:
        report = loop.epoch()
        if loop.epoch_done in compared:
            rungs[loop.epoch_done] = _ways(variant)
            fine_tuning[loop.epoch_done] = not report["train/masked"]
    return Judged(rungs, fine_tuning, report[f"val/{_KEY}"])


def _ways(variant: NoiseMask) -> dict[str, float]:
    heated, config = variant.progress.heated.clone(), variant.config
    variant.progress.heated.fill_(False)
    found = {AS_IT_IS: variant.evaluate("val")[_KEY]}
    variant.progress.heated.copy_(heated)
    for steps in STEPS:
        variant.config = replace(config, probe_steps=steps)
        name = f"{steps} steps of fine-tuning" if steps else "batch norms measured anew"
        found[name] = variant.evaluate("val")[_KEY]
    variant.config = config
    return found


def _recipes(space: Space, measurement: Measurement) -> list[Recipe]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(measurement.seed))
    found: list[Recipe] = []
    while len(found) < measurement.trials:
        config = space.config(space.sample(study.ask()))
        assert isinstance(config, Config)  # for the type checker
        if config.objective != "none":
            plain = replace(config, probe_steps=0)
            found.append(Recipe(space.entry, plain, space.data, space.objective, measurement.seed + len(found)))
    return found


def _correlation(values: Sequence[float], finals: Sequence[float]) -> str:
    """Spearman's ρ with its 95 % interval."""

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
