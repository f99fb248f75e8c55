"""Evaluation of trained weights on the test split. The caller enters the look in the ledger of `analysis.proof`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from analysis.proof.statistics import gain
from search.record import RunFolder
from trainables.contract import Split, Variant
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS, trial_folder
from trainables.measuring.ranges import metric_range
from trainables.objective import Goal
from trainables.settings import UsageError


def read_recipe(folder: RunFolder, number: int) -> Recipe:
    """Read everything that determined the training of a trial."""
    space, trial = folder.space(), folder.trial(number)
    seed = int(folder.settings()["seed"]) if trial.seed is None else trial.seed
    return Recipe(space.entry, space.config(trial.params), space.data, space.objective, seed)


def check_weights(folder: RunFolder, numbers: Iterable[int]) -> None:
    """Check that trainings have their weights, before the test split is looked at.

    Raises:
        UsageError: a training has none.
    """
    for number in numbers:
        weights = trial_folder(folder.path, number) / BEST_WEIGHTS
        if not weights.is_file():
            raise UsageError(f"{weights} is gone; move its folder away, and the same command trains it again.")


def build_variant(recipe: Recipe, device: str, *, with_test: bool) -> Variant:
    """Build the variant of a recipe, its test split only if `with_test`; the images are decoded first."""
    from trainables.processes import pick_device  # noqa: PLC0415  (mistakes in settings are told before torch loads)

    splits: tuple[Split, ...] = ("train", "val", "test") if with_test else ("train", "val")
    recipe.entry.prepare(recipe.config, recipe.data, splits)
    return recipe.entry.build(recipe.config, recipe.data, device=pick_device(device), seed=recipe.seed, splits=splits)


def score_weights(variant: Variant, weights: Iterable[Path]) -> list[dict[str, float]]:
    """Score weights files on the test split; the metrics are named `test/…`."""
    from trainables.training.weights import load_weights  # noqa: PLC0415

    results = []
    for path in tqdm(list(weights), desc="  test split", leave=False, disable=None):
        load_weights(path, variant)
        results.append({f"test/{key}": float(value) for key, value in variant.evaluate("test").items()})
    return results


def score_trainings(
    folder: RunFolder, numbers: Mapping[int, int], seeds: Iterable[int], device: str
) -> dict[int, dict[str, float]]:
    """Score trainings of the same settings on the test split; returns their metrics by seed.

    Args:
        folder: of the proof.
        numbers: of the trainings there, by seed.
        seeds: those to score.
    """
    seeds = list(seeds)
    paths = [trial_folder(folder.path, numbers[seed]) / BEST_WEIGHTS for seed in seeds]
    variant = build_variant(read_recipe(folder, numbers[seeds[0]]), device, with_test=True)
    return dict(zip(seeds, score_weights(variant, paths), strict=True))


def name_test_metric(goal: Goal) -> str:
    """Return the name of a goal's metric on the test split."""
    return f"test/{goal.metric.removeprefix('val/')}"


def compare_on_test(
    goal: Goal, winner: Mapping[int, Mapping[str, float]], default: Mapping[int, Mapping[str, float]]
) -> dict[str, Any]:
    """Compare two configs on the test split by a goal, from the metrics of their trainings by seed.

    Returns:
        `metric`, the values of `winner` and `default` by seed, and their `gain`; a seed without the metric has NaN.
    """
    metric = name_test_metric(goal)
    values = {
        name: {seed: figures.get(metric, math.nan) for seed, figures in rows.items()}
        for name, rows in (("winner", winner), ("default", default))
    }
    signed = {name: {seed: goal.sign * value for seed, value in row.items()} for name, row in values.items()}
    width = metric_range(metric, [value for row in values.values() for value in row.values()]).width
    interval = gain(signed["winner"], signed["default"], width=width)
    return {"metric": metric, **values, "gain": interval.as_dict()}
