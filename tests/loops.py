"""What is compared of two trainings that ought to be the same, or ought not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from trainables.loop import Loop


def trained(made: Loop, epochs: int | None = None) -> dict[str, torch.Tensor]:
    """The weights after some epochs, or all."""
    for _ in range(epochs or made.config.epochs):
        made.epoch()
    return {name: value.clone() for name, value in made.weights().items()}


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Whether weights are equal bit for bit, names included."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def timeless(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report without what no two trainings share."""
    return {key: value for key, value in report.items() if not key.startswith("time/")}
