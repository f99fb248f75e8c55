"""Random generators: seeded by the numbers that determine their stream; and the states of torch's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor


def seeded_generator(device: torch.device, *numbers: int) -> torch.Generator:
    """Make a generator whose stream the numbers (≥ 0) determine; neighbouring numbers have unrelated streams."""
    state = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(state >> 1)


@contextlib.contextmanager
def fork_generators(device: torch.device, *numbers: int) -> Iterator[None]:
    """Seed torch's own generators with the numbers within the context, and restore them after it.

    For functions that take no generator, such as the samples of `torch.distributions`.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        seed = seeded_generator(torch.device("cpu"), *numbers).initial_seed()
        torch.random.default_generator.manual_seed(seed)
        if device.type == "cuda":  # this device alone: the streams of others are not restored
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of torch's own generators, that of the device included."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_generators(device: torch.device, states: Mapping[str, Tensor]) -> None:
    """Restore what `generator_states` returned."""
    torch.set_rng_state(states["cpu"].cpu())
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)
