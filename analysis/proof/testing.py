"""Scoring trained weights on the test split. Who calls this enters the look in the ledger (`analysis.proof.ledger`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tqdm import tqdm

from search.record import RunFolder
from trainables.contract import Split, Variant
from trainables.export.recipe import Recipe
from trainables.files import BEST_WEIGHTS, trial_folder
from trainables.settings import UsageError


def recipe_of(folder: RunFolder, number: int) -> Recipe:
    """Everything that decided the training of a trial."""
    space, trial = folder.space(), folder.trial(number)
    seed = int(folder.settings()["seed"]) if trial.seed is None else trial.seed
    return Recipe(space.entry, space.config(trial.params), space.data, space.objective, seed)


def check_weights(folder: RunFolder, numbers: Iterable[int]) -> None:
    """See that trainings have their weights, before anybody looks.

    Raises:
        UsageError: one has none.
    """
    for number in numbers:
        weights = trial_folder(folder.path, number) / BEST_WEIGHTS
        if not weights.is_file():
            raise UsageError(f"{weights} is gone; move its folder away, and the same command trains it again.")


def built(recipe: Recipe, device: str, *, seen: bool) -> Variant:
    """The variant of a recipe, with the test split only where it may be seen; its images are decoded first."""
    from trainables.processes import pick  # noqa: PLC0415  (mistakes in settings are told before torch loads)

    splits: tuple[Split, ...] = ("train", "val", "test") if seen else ("train", "val")
    recipe.entry.prepare(recipe.config, recipe.data, splits)
    return recipe.entry.build(recipe.config, recipe.data, device=pick(device), seed=recipe.seed, splits=splits)


def score(variant: Variant, weights: Iterable[Path]) -> list[dict[str, float]]:
    """The figures of each weights file on the test split, `test/…`."""
    from trainables.training.weights import load_weights  # noqa: PLC0415

    results = []
    for path in tqdm(list(weights), desc="  test split", leave=False, disable=None):
        load_weights(path, variant)
        results.append({f"test/{key}": float(value) for key, value in variant.evaluate("test").items()})
    return results


def tested(
    confirmation: RunFolder, seeds: Iterable[int], trainings: Mapping[int, int], device: str
) -> dict[int, dict[str, float]]:
    """Seed → figures on the test split, of trainings of the same settings."""
    wanted = list(seeds)
    paths = [trial_folder(confirmation.path, trainings[seed]) / BEST_WEIGHTS for seed in wanted]
    variant = built(recipe_of(confirmation, trainings[wanted[0]]), device, seen=True)
    return dict(zip(wanted, score(variant, paths), strict=True))
