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
    """Name and results, one per seed from 0 on, of every arm in turn, as soon as all of its trainings are over.

    Args:
        arms: by name; each is what `train` is given, and must be fit for another process.
        train: one training, a function of a module, of an arm and a seed.
        seeds: trainings of each arm.
        workers: trainings at a time.
    """
    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=start) as pool:
        running = {name: [pool.submit(train, arm, seed) for seed in range(seeds)] for name, arm in arms.items()}
        for name, futures in running.items():
            yield name, [future.result() for future in futures]


def interval(values: Sequence[float], sign: str = "") -> str:
    """Mean, 95 % interval of the mean (Student), and the values."""
    mean, half = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    each = " ".join(f"{value:{sign}.3f}" for value in values)
    return f"{mean:{sign}.4f} ({mean - half:{sign}.4f} to {mean + half:{sign}.4f}; {each})"


def gains(values: Sequence[float], control: Sequence[float]) -> str:
    """The interval of the paired differences to a control."""
    return interval([one - other for one, other in zip(values, control, strict=True)], sign="+")
