"""The error rate and power of the proof, by simulation: `python -m benchmarks.proof`.

Counts how often the best of k candidates is called "better than the default": when all are equal (it should be rare),
when one is better by two standard deviations of a training, and when all are (it should be common). The last columns
are the same for an ordinary paired bootstrap of the winner's seeds, which is not corrected for the selection. A second
table counts how often "no better" is said of a gain of one standard deviation, which it excludes, how often equal
configs are decided, and how often they are called better by someone who doubles the seeds until a proof is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.proof.statistics import best_gain, default_seed_count
from trainables.commands import parse_arguments, run_command
from trainables.settings import Settings, setting

GAIN = 2.0  # standard deviations of one training
SETTINGS = ((1, 5), (3, 3), (3, 5), (5, 5), (3, 10))
NOISES = ("normal", "default unsteady", "candidate unsteady", "heavy tails", "seeds matter", "candidates alike")


@dataclass(frozen=True, kw_only=True)
class Simulation(Settings):
    """The keys of the command line."""

    repeats: int = setting(1000, "simulated proofs for each figure", low=10)
    seed: int = setting(0, "of the simulation", low=0)


def main(arguments: list[str]) -> int:
    """Print the table; returns the exit code."""
    simulation = Simulation.from_dict(parse_arguments(arguments))
    print("| candidates, seeds | noise | none better | one better | all better | bootstrap: none | one | all |")
    print("|---|---|---|---|---|---|---|---|")
    for candidates, seeds in SETTINGS:
        for noise in NOISES if (candidates, seeds) == (3, 5) else NOISES[:1]:
            cases = [0] * candidates, [GAIN, *[0] * (candidates - 1)], [GAIN] * candidates
            shares = [
                _claim_share(claim, np.array(gains), seeds, noise, simulation)
                for claim in (_claims_by_proof, _claims_by_bootstrap)
                for gains in cases
            ]
            print(f"| {candidates}, {seeds} | {noise} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)
    print("\n| candidates, seeds | no better, of a gain of 1 | equal: decided | equal, seeds doubled twice: better |")
    print("|---|---|---|---|")
    for candidates, seeds in SETTINGS:
        figures = " | ".join(f"{share:.1%}" for share in _verdict_shares(candidates, seeds, simulation))
        print(f"| {candidates}, {seeds} | {figures} |", flush=True)
    return 0


def _verdict_shares(candidates: int, seeds: int, simulation: Simulation) -> tuple[float, float, float]:
    """Return the shares of the second table."""
    rng = np.random.default_rng(simulation.seed)
    gains = np.array([1.0, *[0.0] * (candidates - 1)])
    wrong = decided = false = 0
    for _ in range(simulation.repeats):
        wrong += _judge(*_simulate(gains, seeds, "normal", rng), seeds) == "no better"
        values, default = _simulate(np.zeros(candidates), 4 * seeds, "normal", rng)
        verdicts = [_judge(values, default, count) for count in (seeds, 2 * seeds, 4 * seeds)]
        decided += verdicts[0] != "not decided"
        false += next((verdict for verdict in verdicts if verdict != "not decided"), "") == "better"
    return wrong / simulation.repeats, decided / simulation.repeats, false / simulation.repeats


def _judge(candidates: np.ndarray, default: np.ndarray, seeds: int) -> str:
    """Return the verdict of a proof over the first seeds."""
    results = [dict(enumerate(row[:seeds].tolist())) for row in candidates]
    control = default[: default_seed_count(seeds, len(candidates))]
    return best_gain(results, dict(enumerate(control.tolist())))[1].verdict


def _claim_share(
    claim: Callable[[np.ndarray, np.ndarray], bool],
    gains: np.ndarray,
    seeds: int,
    noise: str,
    simulation: Simulation,
) -> float:
    rng = np.random.default_rng(simulation.seed)
    claims = [claim(*_simulate(gains, seeds, noise, rng)) for _ in range(simulation.repeats)]
    return float(np.mean(claims))


def _simulate(gains: np.ndarray, seeds: int, noise: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Simulate results of the candidates `[k, n]` and of the default `[m]`, with variance 1 unless one is unsteady."""
    shape, size = (len(gains), seeds), default_seed_count(seeds, len(gains))
    if noise == "heavy tails":
        candidates, default = rng.standard_t(3, shape) / np.sqrt(3), rng.standard_t(3, size) / np.sqrt(3)
    else:
        candidates, default = rng.normal(size=shape), rng.normal(size=size)
    if noise == "default unsteady":
        default = 3 * default
    if noise == "candidate unsteady":
        candidates[0] *= 3
    if noise == "seeds matter":
        by_seed = rng.normal(size=size)
        candidates = (candidates + by_seed[:seeds]) / np.sqrt(2)
        default = (default + by_seed) / np.sqrt(2)
    if noise == "candidates alike":
        candidates = np.sqrt(0.1) * candidates + np.sqrt(0.9) * rng.normal(size=seeds)
    return candidates + gains[:, None], default


def _claims_by_proof(candidates: np.ndarray, default: np.ndarray) -> bool:
    results = [dict(enumerate(row.tolist())) for row in candidates]
    return best_gain(results, dict(enumerate(default.tolist())))[1].verdict == "better"


def _claims_by_bootstrap(candidates: np.ndarray, default: np.ndarray) -> bool:
    """Test the 2.5 % percentile of the winner's mean paired difference, seeds resampled with replacement."""
    winner = candidates[candidates.mean(axis=1).argmax()]
    differences = winner - default[: len(winner)]
    samples = np.random.default_rng(0).integers(len(differences), size=(2000, len(differences)))
    return bool(np.quantile(differences[samples].mean(axis=1), 0.025) > 0)


if __name__ == "__main__":
    run_command(main)
