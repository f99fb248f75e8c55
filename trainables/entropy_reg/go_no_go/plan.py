"""The plan of a go/no-go: the recipe to judge, the data out of domain, and the seeds. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from trainables.base_config import DataConfig
from trainables.entropy_reg.config import Config
from trainables.entropy_reg.go_no_go.verdict import ARMS
from trainables.export.recipe import Recipe
from trainables.settings import UsageError


@dataclass(frozen=True)
class Plan:
    """Everything on which a verdict depends.

    Attributes:
        recipe: the recipe to judge.
        ood: the data out of domain.
        seeds: of the trainings of each arm.
    """

    recipe: Recipe
    ood: DataConfig
    seeds: tuple[int, ...]

    @classmethod
    def of_recipe(cls, recipe: Recipe, ood_changes: Mapping[str, Any], seeds: tuple[int, ...]) -> Plan:
        """Plan to judge a recipe.

        Args:
            recipe: of the regularised config.
            ood_changes: fields of the data that differ out of domain; empty: the default of `choose_ood`.
            seeds: of the trainings of each arm.

        Raises:
            UsageError: nothing to judge, or data that cannot serve as out of domain.
        """
        _check_config(recipe)
        config = replace(recipe.config, patience=0, collapse_patience=0)  # both arms are trained for as long
        return cls(replace(recipe, config=config), choose_ood(recipe.data, ood_changes), seeds)

    @property
    def config(self) -> Config:
        """The config to judge."""
        return cast(Config, self.recipe.config)

    def recipes(self) -> dict[str, Recipe]:
        """Return the recipe of every training by its name, `ARM-SEED`, both arms of a seed in turn."""
        configs = {"twin": replace(self.config, regulariser="none"), "regularised": self.config}
        return {
            f"{arm}-{seed}": replace(self.recipe, config=configs[arm], seed=seed) for seed in self.seeds for arm in ARMS
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; their part of the recipe can be read as a `config.yaml`."""
        recipe = self.recipe
        parts = {"config": recipe.config, "data": recipe.data, "objective": recipe.objective, "ood": self.ood}
        plain = {name: part.as_dict() for name, part in parts.items()}  # type: ignore[attr-defined]
        return {"variant": recipe.entry.name, "seed": recipe.seed, **plain, "seeds": list(self.seeds)}


def choose_ood(data: DataConfig, changes: Mapping[str, Any]) -> DataConfig:
    """Choose the data out of domain: by default, synthetic data without centre bias, and others cropped to corners.

    Raises:
        UsageError: the data are those in domain, or hold images that are trained on.
    """
    differences = changes or ({"bias": "none"} if data.source == "synthetic" else {"crop": 0.7})
    ood = type(data).from_dict({**data.as_dict(), **differences}, prefix="ood.")
    if ood == data:
        raise UsageError(f"ood.{next(iter(differences))} is as it is in domain; say what differs with ood.NAME=VALUE.")
    _check_splitting(data, ood)
    return ood


def _check_config(recipe: Recipe) -> None:
    if not isinstance(recipe.config, Config):
        raise UsageError(f"variant={recipe.entry.name} has no regulariser to judge; give a config of entropy_reg.")
    if recipe.config.regulariser == "none":
        raise UsageError("regulariser=none is the twin itself; choose what to judge with fixed.regulariser=entropy.")


def _check_splitting(data: DataConfig, ood: DataConfig) -> None:
    """See that the same images are split in the same way, so that no image is trained on and judged out of domain."""
    if (data.source, data.root) != (ood.source, ood.root):
        return
    for name in data.SPLITTING:
        if getattr(data, name) != getattr(ood, name):
            raise UsageError(
                f"ood.{name}={getattr(ood, name)} splits the same images in another way than data.{name}="
                f"{getattr(data, name)}, so that it would judge on images that were trained on: leave it out."
            )
