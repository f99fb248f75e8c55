"""Evaluation of trained weights on the test split. The caller enters the look in the ledger of `analysis.proof`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tqdm import tqdm

from search.record import RunFolder
from trainables.contract import Split, Variant
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS, trial_folder
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
