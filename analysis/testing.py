"""Scoring trained weights on the test split. Who calls this enters the look in the ledger (`analysis.ledger`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from search.record import RunFolder
from trainables.artifact import Recipe
from trainables.contract import Split
from trainables.files import BEST_WEIGHTS, trial_folder

LOOKED: tuple[Split, ...] = ("train", "val", "test")


def recipe_of(folder: RunFolder, number: int) -> Recipe:
    """Everything that decided the training of a trial."""
    space, trial = folder.space(), folder.trial(number)
    seed = int(folder.settings()["seed"]) if trial.seed is None else trial.seed
    return Recipe(space.entry, space.config(trial.params), space.data, space.objective, seed)


def score(recipe: Recipe, weights: Iterable[Path], device: str) -> list[dict[str, float]]:
    """The figures of each weights file on the test split, `test/…`."""
    from trainables.checkpoint import load_weights  # noqa: PLC0415  (mistakes in settings are told before torch loads)
    from trainables.processes import pick  # noqa: PLC0415

    recipe.entry.prepare(recipe.config, recipe.data, LOOKED)
    variant = recipe.entry.build(recipe.config, recipe.data, device=pick(device), seed=recipe.seed, splits=LOOKED)
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
    figures: list[dict[str, Any]] = score(recipe_of(confirmation, trainings[wanted[0]]), paths, device)
    return dict(zip(wanted, figures, strict=True))
