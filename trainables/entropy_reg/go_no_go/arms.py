"""Trained arms on the test splits in and out of domain: what a verdict rests on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from tqdm import tqdm

from trainables.contract import DataConfig
from trainables.entropy_reg.config import Config
from trainables.entropy_reg.go_no_go.criteria import CENTRE_BIASES, Arm
from trainables.export.recipe import Recipe
from trainables.files import CHECKPOINT

ARMS = ("twin", "regularised")


def judged(
    trainings: Path, recipes: Mapping[str, Recipe], ood: DataConfig, device: str
) -> tuple[dict[str, Arm], dict[str, np.ndarray], Mapping[str, Any]]:
    """Both arms, their mean density maps (`ARM/KIND`), and what the variant says of its data.

    Args:
        trainings: folder of the training folders.
        recipes: of each training by its name, `ARM-SEED`.
        ood: the data out of domain.
        device: to judge on.
    """
    results: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for name, recipe in tqdm(recipes.items(), desc="  test split", leave=False, disable=None):
        results[name.rpartition("-")[0]].append(_judge(trainings / name, recipe, ood, device))
    arms = {arm: _arm(each) for arm, each in results.items()}
    kinds = results["twin"][0]["maps"]
    maps = {f"{arm}/{kind}": np.mean([r["maps"][kind] for r in results[arm]], axis=0) for arm in ARMS for kind in kinds}
    return arms, maps, results["twin"][0]["facts"]


def _judge(folder: Path, recipe: Recipe, ood: DataConfig, device: str) -> dict[str, Any]:
    """One training on the test splits, with the weights of its last epoch."""
    from trainables.training.folder import load_state  # noqa: PLC0415
    from trainables.training.loop import Loop  # noqa: PLC0415

    home, away = (_built(recipe, data, device) for data in (recipe.data, ood))
    load_state(folder / CHECKPOINT, Loop(home, recipe.objective))
    for name, module in away.modules().items():
        module.load_state_dict(home.modules()[name].state_dict())
    probed = home.measured()
    given = home.prior if cast(Config, recipe.config).centre_bias == "kde" else None
    biases = dict(zip(CENTRE_BIASES, (None, home.prior, away.prior), strict=True))
    return {
        "in_domain": home.judged("test", given)["information_gain_bits"],
        "out_of_domain": {name: away.judged("test", bias)["log_likelihood_bits"] for name, bias in biases.items()},
        "bias": {kind: each.bits for kind, each in probed.items()},
        "maps": {kind: each.density for kind, each in probed.items()},
        "learned": home.learned(),
        "facts": {"in_domain": home.describe(), "out_of_domain": away.describe()},
    }


def _built(recipe: Recipe, data: DataConfig, device: str) -> Any:
    return recipe.entry.build(recipe.config, data, device=device, seed=recipe.seed, splits=("train", "val", "test"))


def _arm(trained: list[dict[str, Any]]) -> Arm:
    def stacked(part: str) -> dict[str, np.ndarray]:
        return {name: np.stack([each[part][name] for each in trained]).astype(float) for name in trained[0][part]}

    in_domain = np.stack([each["in_domain"] for each in trained]).astype(float)
    learned = stacked("learned")
    return Arm(in_domain, stacked("out_of_domain"), stacked("bias"), learned["sigma"], learned["centre_bias_weight"])
