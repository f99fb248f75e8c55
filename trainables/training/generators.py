"""Random generators: seeded by what determines their stream, and the states of torch's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor


def seeded(device: torch.device, *numbers: int) -> torch.Generator:
    """A generator whose stream the numbers (≥ 0) determine, and which neighbouring numbers do not share."""
    state = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(state >> 1)


@contextlib.contextmanager
def drawing(device: torch.device, *numbers: int) -> Iterator[None]:
    """Within, torch's own generators are those of the numbers; afterwards they are where they were.

    For what takes no generator, as the samples of `torch.distributions`.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        seed = seeded(torch.device("cpu"), *numbers).initial_seed()
        torch.random.default_generator.manual_seed(seed)
        if device.type == "cuda":  # this one alone: others' streams are not put back
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def states(device: torch.device) -> dict[str, Tensor]:
    """Where torch's own generators are, that of the device included."""
    found = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


def restore(device: torch.device, saved: Mapping[str, Tensor]) -> None:
    """Put them back there."""
    torch.set_rng_state(saved["cpu"].cpu())
    if device.type == "cuda" and "cuda" in saved:
        torch.cuda.set_rng_state(saved["cuda"].cpu(), device)
