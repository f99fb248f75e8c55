"""Is a mask_st with searched settings better than simple baselines? One command, one validation split, one metric.

    python -m benchmarks.mask_st
    python -m benchmarks.mask_st data.source=nih data.root=FOLDER trials=24

Searches the space mask_st, then measures on the same validation images and with the same macro AUROC:

  * the best trial and the default trial of the search;
  * the best trial's settings again with fresh seeds, because a winner is in part a lucky seed; and, with those seeds,
  * without any mask (plain BCE), at equal passes over the images and at equal forward passes (`plain_repeats=3`);
  * with the controls `random` and `deterministic`, and with the straight-through inverted, the published defect;
  * a ridge regression on thumbnails of 32 × 32 pixels, its penalties chosen by leaving out one training image in turn.

Every training counts with its best epoch by the objective, as in a search. The winner was chosen on the same validation
images, so its figures stay a little optimistic even with a fresh seed.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.searching import first_and_best, search
from trainables.commands import parse_parts, run_command
from trainables.export.recipe import Recipe
from trainables.mask_st import sampling
from trainables.mask_st.baselines import RIDGE, score_ridge
from trainables.mask_st.config import Config, Data
from trainables.mask_st.data import load_split
from trainables.settings import Settings, setting
from trainables.training.loop import Loop

METRICS = ("val/auroc_macro", "val/coverage_expected", "val/pointing_game", "val/pointing_chance")


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line, with `data.…` beside them."""

    trials: int = setting(24, "trials of the search", low=1)
    epochs: int = setting(9, "epochs of a trial", low=1)
    seed: int = setting(0, "seed of the search and of the controls", low=0)
    repeats: int = setting(3, "fresh seeds of the best settings and of each control", low=1)
    storage: str = setting("runs", "folder of the search's run")


def main(arguments: list[str]) -> int:
    """Measure and print a table; returns the exit code."""
    measurement, parts = parse_parts(arguments, Measurement, ("data",))
    torch.set_num_threads(2)
    words = [f"data.{key}={value}" for key, value in parts["data"].items()]
    words += [f"budget.trials={measurement.trials}", f"budget.max_epochs={measurement.epochs}"]
    folder = search("mask_st", [*words, f"seed={measurement.seed}"], measurement.storage)
    default, best, recipe = first_and_best(folder)
    _print_row("best trial", [best])
    _print_row("default trial", [default])
    for name, control, with_defect in _list_controls(recipe):
        seeds = range(recipe.seed + 1, recipe.seed + 1 + measurement.repeats)
        _print_row(name, [_train(replace(control, seed=seed), with_defect) for seed in seeds])
    print(f"{RIDGE:<44}{_ridge_auroc(recipe):.4f}", flush=True)
    return 0


def _ridge_auroc(recipe: Recipe) -> float:
    assert isinstance(recipe.config, Config)  # for the type checker
    assert isinstance(recipe.data, Data)
    train, val = (load_split(recipe.config, recipe.data, split) for split in ("train", "val"))
    return score_ridge(recipe.config, train, val)["auroc_macro"]


def _list_controls(recipe: Recipe) -> Iterator[tuple[str, Recipe, bool]]:
    """List the trainings: name, recipe, and whether the straight-through is inverted."""
    config = recipe.config
    yield "its settings, fresh seeds", recipe, False
    changes: dict[str, dict[str, Any]] = {
        "no mask": {"mask_kind": "none", "weighting": "static"},
        "no mask, equal forward passes": {"mask_kind": "none", "weighting": "static", "plain_repeats": 3},
        "random mask": {"mask_kind": "random"},
        "deterministic mask": {"mask_kind": "deterministic"},
    }
    for name, change in changes.items():
        yield f"its settings, {name}", replace(recipe, config=replace(config, **change)), False
    config = replace(config, collapse_patience=0)  # else a health check ends it: its generator has no gradient
    yield "its settings, inverted straight-through", replace(recipe, config=config), True


def _train(recipe: Recipe, with_defect: bool) -> Mapping[str, Any]:
    """Train, and return the report of the best epoch."""
    variant = recipe.entry.build(recipe.config, recipe.data, seed=recipe.seed)
    loop = Loop(variant, recipe.objective)
    with invert_straight_through() if with_defect else nullcontext():
        while not loop.finished:
            loop.run_epoch()
    return loop.monitor.standing or {}


@contextmanager
def invert_straight_through() -> Iterator[None]:
    """Restore the published defect: the mask is soft forward, and no gradient reaches the generator through it."""
    sample = sampling.sample

    def defective_sample(*arguments: Any, **keywords: Any) -> sampling.Mask:
        mask = sample(*arguments, **keywords)
        return sampling.Mask(mask.soft.detach(), mask.soft)

    sampling.sample = defective_sample
    try:
        yield
    finally:
        sampling.sample = sample


def _print_row(name: str, reports: Sequence[Mapping[str, Any]]) -> None:
    """Print the mean of each metric over the reports, with its range where there are several."""
    parts = [f"{key.removeprefix('val/')} {_spread(reports, key)}" for key in METRICS[1:] if key in reports[0]]
    print(f"{name:<44}{_spread(reports, METRICS[0]):<26}{'   '.join(parts)}", flush=True)


def _spread(reports: Sequence[Mapping[str, Any]], key: str) -> str:
    values = [float(report[key]) for report in reports]
    span = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 and max(values) > min(values) else ""
    return f"{statistics.fmean(values):.4f}{span}"


if __name__ == "__main__":
    run_command(main)
