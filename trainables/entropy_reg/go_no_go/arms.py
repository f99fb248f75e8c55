"""Judging of the trained arms on the test splits in and out of domain: the evidence for a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from tqdm import tqdm

from trainables.base_config import DataConfig
from trainables.entropy_reg.config import Config
from trainables.entropy_reg.go_no_go.verdict import ARMS, CENTRE_BIASES, Arm, Evidence
from trainables.export.recipe import Recipe
from trainables.files import CHECKPOINT


def judge_arms(trainings: Path, recipes: Mapping[str, Recipe], ood: DataConfig, device: str) -> Evidence:
    """Judge both arms.

    Args:
        trainings: folder of the training folders.
        recipes: of every training by its name, `ARM-SEED`.
        ood: the data out of domain.
        device: to judge on.
    """
    results: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for name, recipe in tqdm(recipes.items(), desc="  test split", leave=False, disable=None):
        results[name.rpartition("-")[0]].append(_judge_training(trainings / name, recipe, ood, device))
    arms = {name: _stack_seeds(seed_results) for name, seed_results in results.items()}
    kinds = results["twin"][0]["maps"]
    maps = {
        f"{arm}/{kind}": np.mean([result["maps"][kind] for result in results[arm]], axis=0)
        for arm in ARMS
        for kind in kinds
    }
    return Evidence(arms, maps, results["twin"][0]["facts"])


def _judge_training(folder: Path, recipe: Recipe, ood: DataConfig, device: str) -> dict[str, Any]:
    """Judge one training on the test splits, with the weights of its last epoch."""
    from trainables.training.folder import load_state  # noqa: PLC0415
    from trainables.training.loop import Loop  # noqa: PLC0415

    home, away = (_build_variant(recipe, data, device) for data in (recipe.data, ood))
    load_state(folder / CHECKPOINT, Loop(home, recipe.objective))
    for name, module in away.modules().items():
        module.load_state_dict(home.modules()[name].state_dict())
    probe_biases = home.measure_bias()
    home_bias = home.prior if cast(Config, recipe.config).centre_bias == "kde" else None
    biases = dict(zip(CENTRE_BIASES, (None, home.prior, away.prior), strict=True))
    return {
        "in_domain": home.score_images("test", home_bias)["information_gain_bits"],
        "out_of_domain": {
            name: away.score_images("test", bias)["log_likelihood_bits"] for name, bias in biases.items()
        },
        "bias": {kind: bias.bits for kind, bias in probe_biases.items()},
        "maps": {kind: bias.density for kind, bias in probe_biases.items()},
        "parameters": home.finaliser_values(),
        "facts": {"in_domain": home.describe(), "out_of_domain": away.describe()},
    }


def _build_variant(recipe: Recipe, data: DataConfig, device: str) -> Any:
    return recipe.entry.build(recipe.config, data, device=device, seed=recipe.seed, splits=("train", "val", "test"))


def _stack_seeds(results: list[dict[str, Any]]) -> Arm:
    """Stack the results of an arm's trainings, so that seeds are the first dimension."""

    def stack(part: str) -> dict[str, np.ndarray]:
        return {name: np.stack([result[part][name] for result in results]).astype(float) for name in results[0][part]}

    in_domain = np.stack([result["in_domain"] for result in results]).astype(float)
    parameters = stack("parameters")
    return Arm(in_domain, stack("out_of_domain"), stack("bias"), parameters["sigma"], parameters["centre_bias_weight"])
