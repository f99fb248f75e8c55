"""By what can a heated trial be judged? Metrics at a rung against the same trial's at the end of fine-tuning.

    python -m benchmarks.noise_mask_rungs

Trains random settings of the space `noise_mask`, each in full, and scores each at the rungs in several ways: as it is,
with its batch norms measured anew, and by copies that are fine-tuned for some steps; and as trials are scored, which is
by such a copy under masks, and as it is without. Prints the rank correlation (Spearman) of each with the final balanced
accuracy on validation, with an interval (bootstrap over trials), for trials that are under masks at that rung and for
all; by how much trials with and without masks still rise; and how many are past the border, which are all that could be
compared if metrics under masks did not count. Without masks, batch norms are measured anew in any case.
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
from torch import nn

from benchmarks.seeds import over_seeds
from search.space import Space
from trainables.commands import parse_parts, run_command
from trainables.export.recipe import Recipe
from trainables.noise_mask.scoring import classification_metrics
from trainables.noise_mask.variant import NoiseMask
from trainables.settings import Settings, setting
from trainables.training.loop import Loop

STEPS = (5, 20)
TRIAL_SCORE = "as trials are scored"
_KEY = "val/accuracy_balanced_maskfree"


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line."""

    trials: int = setting(40, "random settings that are trained", low=4)
    seed: int = setting(0, "of the settings and trainings", low=0)
    workers: int = setting(2, "trainings at a time, one thread each", low=1)


class Training(NamedTuple):
    """Balanced accuracies of one training.

    Attributes:
        rungs: rung → way of judging → balanced accuracy.
        under_masks: rung → whether the training was under masks.
        is_baseline: whether it had no masks at all.
        final: balanced accuracy at the end.
    """

    rungs: dict[int, dict[str, float]]
    under_masks: dict[int, bool]
    is_baseline: bool
    final: float


def main(arguments: list[str]) -> int:
    """Measure and print a table; returns the exit code."""
    measurement, _ = parse_parts(arguments, Measurement, ())
    space = Space.load("noise_mask")
    rows = {str(number): recipe for number, recipe in enumerate(_sample_recipes(space, measurement))}
    space.entry.prepare(space.config({}), space.data)
    trainings = [results[0] for _, results in over_seeds(rows, train, 1, measurement.workers)]
    finals = [training.final for training in trainings]
    epochs = space.budget.max_epochs
    print(f"{len(trainings)} trainings of {epochs} epochs; final {min(finals):.3f} to {max(finals):.3f}")
    for rung in space.budget.rungs[:-1]:
        _print_rung(rung, trainings)
    return 0


def train(recipe: Recipe, seed: int) -> Training:
    """Train in full, and judge the training at the rungs."""
    torch.set_num_threads(1)
    variant = recipe.entry.build(recipe.config, recipe.data, seed=recipe.seed + seed)
    assert isinstance(variant, NoiseMask)  # for the type checker
    loop = Loop(variant, recipe.objective)
    rungs: dict[int, dict[str, float]] = {}
    under_masks: dict[int, bool] = {}
    judged_rungs = Space.load("noise_mask").budget.rungs[:-1]
    while not loop.finished:
        report = loop.run_epoch()
        if loop.epoch_done in judged_rungs:
            rungs[loop.epoch_done] = {TRIAL_SCORE: report[_KEY], **_judge_by_copies(variant)}
            under_masks[loop.epoch_done] = bool(report["train/masked"])
    return Training(rungs, under_masks, variant.config.objective == "none", report[_KEY])


def _judge_by_copies(variant: NoiseMask) -> dict[str, float]:
    networks = {"as it is": variant.classifier, "batch norms measured anew": variant.judge.probe(0)}
    networks |= {f"{steps} steps of fine-tuning": variant.judge.probe(steps) for steps in STEPS}
    return {name: _balanced_accuracy(variant, network) for name, network in networks.items()}


def _balanced_accuracy(variant: NoiseMask, network: nn.Module) -> float:
    probabilities = variant.judge.predict_network(network, variant.splits["val"])
    return classification_metrics(probabilities, variant.splits["val"].labels)["accuracy_balanced"]


def _print_rung(rung: int, trainings: Sequence[Training]) -> None:
    heat = [training for training in trainings if training.under_masks[rung]]
    plain = [training for training in trainings if not training.under_masks[rung]]
    baselines = sum(training.is_baseline for training in trainings)
    print(
        f"epoch {rung}: {len(heat)} are under masks, {len(plain) - baselines} past the border, "
        f"{baselines} never had masks"
    )
    for title, group in (("under masks", heat), ("all", trainings)):
        for way in trainings[0].rungs[rung]:
            values = [training.rungs[rung][way] for training in group]
            finals = [training.final for training in group]
            print(f"  {title:<12}{way:<30}{_correlation(values, finals)}", flush=True)
    for title, group in (("under masks", heat), ("without masks", plain)):
        rises = [training.final - training.rungs[rung][TRIAL_SCORE] for training in group]
        if rises:
            print(f"  {title}, from the score at the rung to the end: {np.mean(rises):+.3f}", flush=True)


def _sample_recipes(space: Space, measurement: Measurement) -> list[Recipe]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(measurement.seed))
    recipes: list[Recipe] = []
    while len(recipes) < measurement.trials:
        config = space.config(space.sample(study.ask()))
        recipes.append(Recipe(space.entry, config, space.data, space.objective, measurement.seed + len(recipes)))
    return recipes


def _correlation(values: Sequence[float], finals: Sequence[float]) -> str:
    """Compute Spearman's ρ with its 95 % interval."""
    if len(values) < 3:
        return "too few trials"

    def rho(x: np.ndarray, y: np.ndarray) -> float:
        return float(stats.spearmanr(x, y).statistic)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)  # of a sample in which all are equal
        bootstrap = stats.bootstrap(
            (values, finals), rho, paired=True, vectorized=False, method="percentile", n_resamples=2000,
            rng=np.random.default_rng(0),
        )  # fmt: skip
    low, high = bootstrap.confidence_interval
    return f"{rho(np.array(values), np.array(finals)):+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run_command(main)
