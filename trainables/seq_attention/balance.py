"""How rare done is, from the annotations alone: `python -m trainables.seq_attention.balance`."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, get_args

import numpy as np

from trainables.commands import command, parse_arguments, table
from trainables.contract import Split
from trainables.seq_attention import sampling
from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.data import all_counts, within
from trainables.settings import UsageError, unknown

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
_BINS = (0, 1, 2, 4, 8, 16)  # of N − k, from where each begins
_BARS, _BAR = 10, 40  # of the histogram of N: at most so many, and so long


class Mode(NamedTuple):
    """A way to choose k.

    Attributes:
        name: in words.
        k: gives how often each k = 0, …, N of an image comes, `[N + 1]`, of its number of objects.
        done: whether its pairs are asked for, or teach, the done signal.
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
    kept: dict[Split, np.ndarray] = {}
    for split in get_args(Split):
        every = all_counts(data, split)
        kept[split] = every[within(every, data)]
        print(f"{_numbers(split, every, kept[split], data)}\n")
        if len(kept[split]):
            print(f"{_rows(kept[split], [*PUBLISHED, *(training(config) if split == 'train' else [])])}\n")
    if len(kept["train"]) and len(kept["val"]):
        print(meaning(kept["train"], kept["val"], config))
    return 0


def training(config: Config) -> list[Mode]:
    """How this training chooses k."""
    weight = sampling.done_weight(config)
    if config.sampling == "separate":
        return [
            Mode("this training, done", _border, weight=weight),
            Mode("this training, location", _unmarked, done=False),
        ]
    natural = config.done_balance != "share"
    return [Mode("this training", lambda n: sampling.k_distribution(n, config), weight=weight, uniform=natural)]


def left(counts: np.ndarray, mode: Mode) -> np.ndarray:
    """The share of pairs with N − k = 0, 1, … objects left, `[most + 1]`, over images of N = `counts` objects."""
    total = np.zeros(int(counts.max(initial=0)) + 1)
    for n, images in zip(*np.unique(counts, return_counts=True), strict=True):
        total[: n + 1] += images * mode.k(int(n))[::-1]
    return total / (total.sum() or 1)


def meaning(train: np.ndarray, val: np.ndarray, config: Config) -> str:
    """What the numbers say, in sentences, of the objects of the images `[N]` in training and validation."""
    shares = left(val, _MIXED)
    odds, natural = sampling.done_odds(train, config), left(train, _MIXED)[0]
    lines = [
        f"Validation as published (mixed) has {_percent(shares[0])} done, where 1 / (mean N + 1) would be "
        f"{_percent(_naive(val))}: a network that never says done is right {_percent(1 - shares[0])} of the time.",
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
        raise UsageError(unknown(key, [*(f"data.{each}" for each in _DATA), *(f"config.{each}" for each in _CONFIG)]))
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise UsageError(f"{name}={part} is no setting: write {name}.NAME=VALUE.")
    data = Data.of(parts["data"], where="data.")
    return Config.of(parts["config"], where="config."), data


def _help() -> str:
    lines = [(f"data.{name}", default, text) for name, default, text in Data.help_lines() if name in _DATA]
    lines += [(f"config.{name}", default, text) for name, default, text in Config.help_lines() if name in _CONFIG]
    return f"{USAGE.strip()}\n\n{table(lines)}"


def _border(n: int) -> np.ndarray:
    return np.array([0.0] * (n - 1) + [0.5, 0.5]) if n else np.ones(1)


def _unmarked(n: int) -> np.ndarray:
    return np.append(np.full(n, 1 / max(n, 1)), 0.0)


def _enumerated(n: int) -> np.ndarray:
    """As `pairs.enumerated`."""
    often = np.zeros(n + 1)
    often[[0, n // 4, n // 2, 3 * n // 4, max(n - 1, 0), n]] = 1
    return often


_MIXED = Mode("published mixed", lambda n: np.full(n + 1, 1 / (n + 1)), uniform=True)
PUBLISHED = (
    Mode("published classification", _border),
    Mode("published regression", _unmarked, done=False),
    _MIXED,
    Mode("validation here", _enumerated),
)
"""How the published method chooses k, and which k validation has here."""


def _numbers(split: Split, every: np.ndarray, kept: np.ndarray, data: Data) -> str:
    """How many images and objects there are, and a histogram."""
    bounds = f"data.min_objects={data.min_objects} to data.max_objects={data.max_objects}"
    first = f"{split}: {len(kept)} images kept, {len(every) - len(kept)} left out by {bounds}"
    if not len(kept):
        return first
    numbers = f"mean {kept.mean():.1f}, median {np.median(kept):g}, {kept.min()} to {kept.max()}"
    return "\n".join([first, f"  N objects: {numbers}, {kept.sum()} in all", *_histogram(kept)])


def _histogram(counts: np.ndarray) -> list[str]:
    low, high = int(counts.min()), int(counts.max())
    width = math.ceil((high - low + 1) / _BARS)
    starts = range(low, high + 1, width)
    images = np.bincount((counts - low) // width, minlength=len(starts))
    names = [_range(start, min(start + width, high + 1)) for start in starts]
    bars = ["█" * math.ceil(_BAR * each / images.max()) for each in images.tolist()]
    return [f"  {name:>9}  {bar} {each}" for name, bar, each in zip(names, bars, images, strict=True)]


def _rows(counts: np.ndarray, modes: list[Mode]) -> str:
    """One row per mode."""
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
    shares = left(counts, mode)
    edges = [min(each, len(shares)) for each in (*_BINS, len(shares))]
    bins = [_percent(shares[start:end].sum()) for start, end in pairwise(edges)]
    if not mode.done:
        return ["–", "", "", "", "", *bins]
    odds = mode.weight * shares[0] / (1 - shares[0]) if shares[0] < 1 else math.inf
    naive = _percent(_naive(counts)) if mode.uniform else ""
    return [_percent(shares[0]), naive, f"{mode.weight:g}", f"{odds:.3g}", "", *bins]


def _naive(counts: np.ndarray) -> float:
    return float(1 / (counts.mean() + 1))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    command(main)
