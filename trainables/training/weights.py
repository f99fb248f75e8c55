"""Weights: from safetensors into the modules of a variant, and as the parameter groups of AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import nn

from trainables.base_config import TrainingConfig
from trainables.contract import Variant


def load_weights(path: Path, variant: Variant) -> None:
    """Load a safetensors file, as `Loop.weights` names the tensors, into a variant's modules."""
    load_modules(path, variant.modules())


def load_modules(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Load a safetensors file into modules by name."""
    tensors = load_file(path)
    for name, module in modules.items():
        prefix = f"{name}."
        module.load_state_dict(
            {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        )


def parameter_groups(
    networks: Mapping[str, nn.Module], config: TrainingConfig, lr_factors: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Return AdamW's groups of some networks, each at its own learning rate.

    Args:
        networks: by name.
        config: learning rate and weight decay.
        lr_factors: a network's learning rate as a multiple of the config's; 1 where it is not named.

    Raises:
        ValueError: a factor of a network that is not among them.
    """
    factors = lr_factors or {}
    if unknown := set(factors) - set(networks):
        raise ValueError(f"learning rates of {sorted(unknown)}, but the networks are {sorted(networks)}")
    return [
        group
        for name, network in networks.items()
        for group in decay_groups(network, config.lr * factors.get(name, 1.0), config.weight_decay)
    ]


def decay_groups(module: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Return AdamW's groups of a module: its weights and, without decay, its biases and norms."""
    return [
        {
            "params": [parameter for parameter in module.parameters() if (parameter.ndim > 1) == decays],
            "lr": lr,
            "weight_decay": weight_decay * decays,
        }
        for decays in (True, False)
    ]
