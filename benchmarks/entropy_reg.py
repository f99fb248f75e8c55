"""What does a bias cost and what does it bring: DeepGaze III with and without centre bias and regulariser.

    python -m benchmarks.entropy_reg
    python -m benchmarks.entropy_reg data.source=fixations data.root=FOLDER fixed.image_size=400 fixed.downsample=2

Trains the same model in several ways over several seeds and judges each on the test split, at its last epoch:

  * with the centre bias and without the regulariser, as published;
  * without the centre bias, with the entropy term's weight growing from nothing;
  * the same on features of the first hooked layer alone, too near-sighted to know where in the image they are;
  * with centre-bias dropout.

On synthetic data the best that can be reached is known in closed form: with the centre bias, and by the content alone;
the difference is the bias information, which a model must lose that knows of no bias. Figures are bits per fixation;
the intervals of real data are over images (bootstrap), of the means over the seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats

from benchmarks.seeds import over_seeds
from trainables import registry
from trainables.commands import parse_parts, run_command
from trainables.entropy_reg.centre_bias import CentreBias
from trainables.entropy_reg.config import Config, Data
from trainables.entropy_reg.data import load_split
from trainables.entropy_reg.prior import fit_prior
from trainables.entropy_reg.sources import synthetic
from trainables.entropy_reg.split import Stimuli
from trainables.entropy_reg.variant import EntropyReg
from trainables.export.recipe import Recipe
from trainables.objective import Goal, Objective
from trainables.settings import Settings, setting
from trainables.training.loop import Loop

METRICS = ("information_gain_bits", "log_likelihood_bits", "auc", "nss")
KINDS = ("uniform", "reflect", "texture", "scrambled")
_NOISE_KINDS = ("texture", "scrambled")  # a density may follow what is in these: what they have in common is the bias
WEIGHTS = (0.01, 0.1, 1.0, 10.0)
SMALL: Mapping[str, Any] = {
    "image_size": 128,
    "downsample": 1,
    "backbone": "tiny",
    "lr": 0.01,
    "sigma": 0.015,
    "n_uniform": 8,
}
"""Settings for two CPU cores; `fixed.…` changes them."""


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """The keys of the command line, with `data.…` and `fixed.…` beside them."""

    epochs: int = setting(20, "epochs of a training", low=1)
    seeds: int = setting(3, "trainings of each row", low=1)
    workers: int = setting(2, "trainings at a time, one thread each", low=1)


class Result(NamedTuple):
    """Metrics of one training on the test split.

    Attributes:
        metrics: of every image, `[N]` each; bias: bits by kind of probe.
    """

    metrics: dict[str, np.ndarray]
    bias: dict[str, float]


def main(arguments: list[str]) -> int:
    """Measure and print a table; returns the exit code."""
    measurement, parts = parse_parts(arguments, Measurement, ("data", "fixed"))
    variant = registry.load("entropy_reg")
    config = Config.from_dict({**SMALL, **parts["fixed"], "epochs": measurement.epochs}, prefix="fixed.")
    data = Data.from_dict(parts["data"], prefix="data.")
    rows = {
        name: Recipe(variant, replace(config, **settings), data, Objective((Goal("val/information_gain_bits"),)), 0)
        for name, settings in arms(config).items()
    }
    for recipe in rows.values():
        variant.prepare(recipe.config, data, ("train", "val", "test"))
    prior, test = fit_prior(load_split(config, data, "train"), data), load_split(config, data, "test")
    print(f"{len(test)} test images; centre bias {prior.bits:.3f} bits (leaving one training image out)")
    if data.source == "synthetic" and data.saccade == 0 and data.crop == 1:
        _print_ceilings(test, prior, data)
    heads = ("IG", "LL", "AUC", "NSS", *(f"B {kind}" for kind in KINDS))
    print(f"{'':<36}" + "".join(f"{head:>13}" for head in heads) + "   IG over images", flush=True)
    for name, results in over_seeds(rows, train, measurement.seeds, measurement.workers):
        _print_row(name, results)
    return 0


def arms(config: Config) -> dict[str, dict[str, Any]]:
    """List the rows: name → the settings in which it differs from the config."""
    blind = {"centre_bias": "uniform"}
    rows: dict[str, dict[str, Any]] = {"centre bias given (published)": {}}
    for weight in WEIGHTS:
        rows[f"given, lambda {weight:g}"] = {"regulariser": "entropy", "lambda_eff": weight}
    rows["given, centre-bias dropout 0.2"] = {"regulariser": "dropout", "centre_bias_dropout": 0.2}
    rows["not given"] = blind
    for weight in WEIGHTS:
        rows[f"not given, lambda {weight:g}"] = {**blind, "regulariser": "entropy", "lambda_eff": weight}
    if config.backbone == "tiny":
        near = {"layers": "1"}
        rows["near-sighted, given"] = near
        rows["near-sighted, not given, lambda 1"] = {**near, **blind, "regulariser": "entropy", "lambda_eff": 1.0}
    return rows


def train(recipe: Recipe, seed: int) -> Result:
    """Score a training on the test split, after its last epoch."""
    torch.set_num_threads(1)
    variant = recipe.entry.build(recipe.config, recipe.data, seed=seed + 1, splits=("train", "val", "test"))
    assert isinstance(variant, EntropyReg)  # for the type checker
    loop = Loop(variant, recipe.objective)
    while not loop.finished:
        loop.run_epoch()
    config = variant.config
    metrics = variant.score_images("test", variant.prior if config.centre_bias == "kde" else None)
    biases = variant.measure_bias()
    bits = {
        kind: biases[kind].mean_density_bits if kind in _NOISE_KINDS else float(biases[kind].bits.mean())
        for kind in KINDS
    }
    return Result(metrics, bits)


def closed_form(test: Stimuli, prior: CentreBias, data: Data) -> tuple[float, float]:
    """Compute the information gain in bits over the prior of the true density, and of that of the content alone."""
    gains = []
    for truth, shape in zip(test.truth or [], test.shapes, strict=True):
        density = synthetic.normalise(truth + synthetic.log_bias(data.bias, shape))
        baseline = prior.log_density((truth.shape[0], truth.shape[1]))
        models = [density, synthetic.normalise(truth)]
        gains.append([(np.exp(density) * (model - baseline)).sum() / np.log(2) for model in models])
    ceiling, content = np.mean(gains, axis=0)
    return float(ceiling), float(content)


def _print_ceilings(test: Stimuli, prior: CentreBias, data: Data) -> None:
    ceiling, content = closed_form(test, prior, data)
    print(f"closed form: information gain {ceiling:.3f} with the bias, {content:.3f} by the content alone")
    print(f"             bias information {ceiling - content:.3f}; nine tenths of the ceiling {0.9 * ceiling:.3f}")


def _print_row(name: str, results: Sequence[Result]) -> None:
    means = [np.mean([result.metrics[key] for result in results]) for key in METRICS]
    bias = [np.mean([result.bias[kind] for result in results]) for kind in KINDS]
    print(
        f"{name:<36}" + "".join(f"{value:>13.3f}" for value in (*means, *bias)) + f"   {_interval(results)}",
        flush=True,
    )


def _interval(results: Sequence[Result]) -> str:
    """Write the 95 % interval of the information gain over images (bootstrap, means over seeds), and their range."""
    gains = np.mean([result.metrics["information_gain_bits"] for result in results], axis=0)
    low, high = stats.bootstrap((gains,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    seeds = [result.metrics["information_gain_bits"].mean() for result in results]
    return f"({low:.3f} to {high:.3f}; seeds {min(seeds):.3f} to {max(seeds):.3f})"


if __name__ == "__main__":
    run_command(main)
