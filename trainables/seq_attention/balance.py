"""The share of done among the pairs, from the annotations alone: `python -m trainables.seq_attention.balance`."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, get_args

import numpy as np

from trainables.commands import parse_arguments, run_command, table
from trainables.contract import Split
from trainables.seq_attention import sampling
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import count_all_objects
from trainables.seq_attention.sources.bounds import is_within_bounds
from trainables.settings import UsageError, describe_unknown

USAGE = """
Count objects, and say how many of the pairs (image, k) are done, in validation and in training.

  python -m trainables.seq_attention.balance
  python -m trainables.seq_attention.balance data.source=coco data.root=FOLDER
  python -m trainables.seq_attention.balance data.source=coco data.root=FOLDER config.done_balance=natural

Reads annotations, no images. k objects of N are marked; done is k = N. Any field of Data and Config is taken; these
decide what is printed:
"""

_DATA = ("source", "root", "categories", "min_objects", "max_objects", "test_share", "split_seed")
_CONFIG = ("sampling", "done_balance", "p_done", "pos_weight", "hardness")
_BINS = (0, 1, 2, 4, 8, 16)  # lower edges of the bins of N − k
_MAX_BARS, _BAR_LENGTH = 10, 40  # of the histogram of N


class Mode(NamedTuple):
    """A way to choose k.

    Attributes:
        name: in words.
        k: gives the frequency of each k = 0, …, N, `[N + 1]`, from the number N of an image's objects.
        done: whether its pairs teach or measure the done signal.
        weight: of a done pair in the done loss.
        uniform: whether k = N comes once in N + 1.
    """

    name: str
    k: Callable[[int], np.ndarray]
    done: bool = True
    weight: float = 1.0
    uniform: bool = False


def main(arguments: list[str]) -> int:
    """Measure and print; returns the exit code."""
    if {"--help", "-h", "help"} & set(arguments):
        print(_help())
        return 0
    config, data = _read(arguments)
    counts: dict[Split, np.ndarray] = {}
    for split in get_args(Split):
        all_counts = count_all_objects(data, split)
        counts[split] = all_counts[is_within_bounds(all_counts, data)]
        print(f"{_describe_counts(split, all_counts, counts[split], data)}\n")
        if len(counts[split]):
            modes = [*PUBLISHED_MODES, *(training_modes(config) if split == "train" else [])]
            print(f"{_mode_table(counts[split], modes)}\n")
    if len(counts["train"]) and len(counts["val"]):
        print(explain(counts["train"], counts["val"], config))
    return 0


def training_modes(config: Config) -> list[Mode]:
    """Return the ways in which this training chooses k."""
    weight = sampling.done_weight(config)
    if config.sampling == "separate":
        return [
            Mode("this training, done", _at_border, weight=weight),
            Mode("this training, location", _uniform_before_end, done=False),
        ]
    natural = config.done_balance != "share"
    return [Mode("this training", lambda n: sampling.k_distribution(n, config), weight=weight, uniform=natural)]


def remaining_shares(counts: np.ndarray, mode: Mode) -> np.ndarray:
    """Return the share of pairs with N − k = 0, 1, … unmarked objects, over images of N = `counts` objects."""
    total = np.zeros(int(counts.max(initial=0)) + 1)
    for n, images in zip(*np.unique(counts, return_counts=True), strict=True):
        total[: n + 1] += images * mode.k(int(n))[::-1]
    return total / (total.sum() or 1)


def explain(train: np.ndarray, val: np.ndarray, config: Config) -> str:
    """Explain the numbers in sentences.

    Args:
        train: `[N]`, objects of the training images.
        val: of the validation images.
        config: how training chooses k.
    """
    shares = remaining_shares(val, _MIXED_MODE)
    odds, natural = sampling.done_odds(train, config), remaining_shares(train, _MIXED_MODE)[0]
    lines = [
        f"Validation as published (mixed) has {_percent(shares[0])} done, where 1 / (mean N + 1) would be "
        f"{_percent(_naive_share(val))}: a network that never says done is right {_percent(1 - shares[0])} of the "
        "time.",
        f"Training as published saw done in half of its pairs, but no k below N − 1, as {_percent(shares[2:].sum())} "
        "of those in validation are.",
    ]
    if 0 < natural < 1 and 0 < odds < math.inf:
        lines.append(
            f"This training has done at odds of {odds:.3g} in its loss, against {natural / (1 - natural):.3g} in "
            "counting, where k = 0, …, N come once each: thresholds are chosen, and probabilities calibrated, after it."
        )
    return "\n".join(lines)


def _read(arguments: list[str]) -> tuple[Config, Data]:
    values = parse_arguments(arguments)
    parts = {name: values.pop(name, {}) for name in ("data", "config")}
    for key in values:
        raise UsageError(
            describe_unknown(key, [*(f"data.{name}" for name in _DATA), *(f"config.{name}" for name in _CONFIG)])
        )
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise UsageError(f"{name}={part} is no setting: write {name}.NAME=VALUE.")
    data = Data.from_dict(parts["data"], prefix="data.")
    data.check()
    return Config.from_dict(parts["config"], prefix="config."), data


def _help() -> str:
    lines = [(f"data.{name}", default, text) for name, default, text in Data.help_lines() if name in _DATA]
    lines += [(f"config.{name}", default, text) for name, default, text in Config.help_lines() if name in _CONFIG]
    return f"{USAGE.strip()}\n\n{table(lines)}"


def _at_border(n: int) -> np.ndarray:
    return np.array([0.0] * (n - 1) + [0.5, 0.5]) if n else np.ones(1)


def _uniform_before_end(n: int) -> np.ndarray:
    return np.append(np.full(n, 1 / max(n, 1)), 0.0)


def _enumeration(n: int) -> np.ndarray:
    """Return the frequencies of `pairs.enumerate_pairs`."""
    frequencies = np.zeros(n + 1)
    frequencies[[0, n // 4, n // 2, 3 * n // 4, max(n - 1, 0), n]] = 1
    return frequencies


_MIXED_MODE = Mode("published mixed", lambda n: np.full(n + 1, 1 / (n + 1)), uniform=True)
PUBLISHED_MODES = (
    Mode("published classification", _at_border),
    Mode("published regression", _uniform_before_end, done=False),
    _MIXED_MODE,
    Mode("validation here", _enumeration),
)
"""The ways in which the published method chooses k, and the k that validation has here."""


def _describe_counts(split: Split, all_counts: np.ndarray, counts: np.ndarray, data: Data) -> str:
    """Describe the numbers of images and objects, with a histogram."""
    bounds = f"data.min_objects={data.min_objects} to data.max_objects={data.max_objects}"
    first = f"{split}: {len(counts)} images kept, {len(all_counts) - len(counts)} left out by {bounds}"
    if not len(counts):
        return first
    numbers = f"mean {counts.mean():.1f}, median {np.median(counts):g}, {counts.min()} to {counts.max()}"
    return "\n".join([first, f"  N objects: {numbers}, {counts.sum()} in all", *_histogram(counts)])


def _histogram(counts: np.ndarray) -> list[str]:
    low, high = int(counts.min()), int(counts.max())
    width = math.ceil((high - low + 1) / _MAX_BARS)
    starts = range(low, high + 1, width)
    images = np.bincount((counts - low) // width, minlength=len(starts))
    names = [_range(start, min(start + width, high + 1)) for start in starts]
    bars = ["█" * math.ceil(_BAR_LENGTH * count / images.max()) for count in images.tolist()]
    return [f"  {name:>9}  {bar} {count}" for name, bar, count in zip(names, bars, images, strict=True)]


def _mode_table(counts: np.ndarray, modes: list[Mode]) -> str:
    """Write one row per mode."""
    ends = [*_BINS[1:], None]
    bins = [_range(start, end) for start, end in zip(_BINS, ends, strict=True)]
    head = ["k is chosen as", "done", "1/(mean N+1)", "weight", "odds", "N−k", *bins]
    rows = [head, *([mode.name, *_cells(counts, mode)] for mode in modes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  " + "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )  # fmt: skip


def _range(start: int, end: int | None) -> str:
    if end is None:
        return f"{start}…"
    return f"{start}" if end == start + 1 else f"{start}–{end - 1}"


def _cells(counts: np.ndarray, mode: Mode) -> list[Any]:
    shares = remaining_shares(counts, mode)
    edges = [min(edge, len(shares)) for edge in (*_BINS, len(shares))]
    bins = [_percent(shares[start:end].sum()) for start, end in pairwise(edges)]
    if not mode.done:
        return ["–", "", "", "", "", *bins]
    odds = mode.weight * shares[0] / (1 - shares[0]) if shares[0] < 1 else math.inf
    naive = _percent(_naive_share(counts)) if mode.uniform else ""
    return [_percent(shares[0]), naive, f"{mode.weight:g}", f"{odds:.3g}", "", *bins]


def _naive_share(counts: np.ndarray) -> float:
    return float(1 / (counts.mean() + 1))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    run_command(main)
