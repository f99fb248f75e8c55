"""The same training over several seeds: run side by side, and put into words with an interval."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import numpy as np
from scipy import stats

Arm = TypeVar("Arm")
Result = TypeVar("Result")


def over_seeds(
    arms: Mapping[str, Arm], train: Callable[[Arm, int], Result], seeds: int, workers: int
) -> Iterator[tuple[str, list[Result]]]:
    """Yield name and results, one per seed from 0 on, of every arm in turn, when all of its trainings are over.

    Args:
        arms: by name; arguments of `train` that can be sent to another process.
        train: a function of a module that trains an arm with a seed.
        seeds: trainings of each arm.
        workers: trainings at a time.
    """
    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=start) as pool:
        running = {name: [pool.submit(train, arm, seed) for seed in range(seeds)] for name, arm in arms.items()}
        for name, futures in running.items():
            yield name, [future.result() for future in futures]


def interval(values: Sequence[float], sign: str = "") -> str:
    """Format the mean, its 95 % interval (Student), and the values."""
    mean, half = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    listing = " ".join(f"{value:{sign}.3f}" for value in values)
    return f"{mean:{sign}.4f} ({mean - half:{sign}.4f} to {mean + half:{sign}.4f}; {listing})"


def gains(values: Sequence[float], control: Sequence[float]) -> str:
    """Format the interval of the paired differences to a control."""
    return interval([value - baseline for value, baseline in zip(values, control, strict=True)], sign="+")
