"""Weights: as safetensors into the modules of a variant, as the first ones of a training, and as AdamW's groups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from trainables.contract import Variant
from trainables.files import WEIGHTS
from trainables.settings import UsageError


def load_weights(path: Path, variant: Variant) -> None:
    """Put the weights of a safetensors file, as `Loop.weights` names them, into a variant's modules."""
    load_modules(path, variant.modules())


def load_modules(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """The same for modules by name."""
    tensors = load_file(path)
    for name, module in modules.items():
        prefix = f"{name}."
        module.load_state_dict(
            {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        )


def begin(variant: Variant) -> None:
    """Give a variant the weights of `config.init_from`; without it, it keeps its own random ones.

    Raises:
        UsageError: they are not there, or not those of such a model.
    """
    if variant.config.init_from is None:
        return
    path = Path(variant.config.init_from) / WEIGHTS
    try:
        load_weights(path, variant)
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise UsageError(
            f"init_from: {path} does not give the weights of this model: {reason}; give an export of the same one."
        ) from error


def groups(module: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's groups of a module: its weights and, without decay, its biases and norms."""
    return [
        {
            "params": [each for each in module.parameters() if (each.ndim > 1) == decays],
            "lr": lr,
            "weight_decay": weight_decay * decays,
        }
        for decays in (True, False)
    ]
