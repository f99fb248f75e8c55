"""What is compared of two trainings that ought to be the same, or ought not."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from trainables.training.loop import Loop


def trained(made: Loop, epochs: int | None = None) -> dict[str, torch.Tensor]:
    """Train for some epochs, or all; returns the weights."""
    for _ in range(epochs or made.config.epochs):
        made.run_epoch()
    return {name: value.clone() for name, value in made.weights().items()}


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Whether weights are equal bit for bit, names included."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def timeless(report: Mapping[str, Any]) -> dict[str, Any]:
    """Remove from a report what no two trainings share."""
    return {key: value for key, value in report.items() if not key.startswith("time/")}


def through_a_file(state: Mapping[str, Any]) -> dict[str, Any]:
    """Write and read a loop's state, as a new process would read it."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def check_stop_and_resume(make: Callable[[], Loop], stops: Sequence[int], *, own_generators: bool = False) -> None:
    """See that a training that stops after some epochs, and goes on elsewhere, is the same as one that never stopped.

    Bit for bit: reports, weights, and all else that the variant keeps.

    Args:
        make: a loop, always the same, but for what `Loop.load_state` puts back.
        stops: epochs after which it is stopped, each in a training of its own.
        own_generators: whether it draws nothing from torch's own, so that what others draw meanwhile does not matter.
    """
    whole = make()
    wanted = [timeless(whole.run_epoch()) for _ in range(whole.config.epochs)]
    for done in stops:
        first = make()
        trained(first, done)
        saved = through_a_file(first.state())
        resumed = make()
        torch.rand(3)  # what another trial of this process has drawn must not matter
        resumed.load_state(saved)
        if own_generators:
            torch.rand(3)
        assert [timeless(resumed.run_epoch()) for _ in wanted[done:]] == wanted[done:], done
        assert same(resumed.weights(), whole.weights()), done
        torch.testing.assert_close(resumed.variant.state(), whole.variant.state(), rtol=0, atol=0)
