"""Networks of timm: whether there is one of a name, and its first weights: none, timm's, or those of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.settings import UsageError

if TYPE_CHECKING:
    from trainables.base_config import NetworkField, TrainingConfig


def check_networks(config: TrainingConfig, alternatives: Mapping[str, Sequence[Any]] | None = None) -> None:
    """Check that there are the networks that a config names, and the files of their weights; builds nothing.

    Args:
        config: whose `NETWORKS` are checked.
        alternatives: other values that a search gives to fields of the config.

    Raises:
        UsageError: a network that timm does not have, or weights that are no file.
    """
    choices = alternatives or {}
    for field in config.NETWORKS:
        if field.condition and not getattr(config, field.condition):
            continue
        for name in (getattr(config, field.name), *choices.get(field.name, ())):
            check_network(field, name)
        if field.weights is not None:
            for weights in (getattr(config, field.weights), *choices.get(field.weights, ())):
                timm_arguments(weights)


def check_network(field: NetworkField, name: str) -> None:
    """Check that there is a network of that name.

    Raises:
        UsageError: it is neither one of the variant's own nor one of timm's, or not of the family.
    """
    if name in field.builtin:
        return
    import timm  # noqa: PLC0415  (its import takes seconds, and a variant's own networks need none)

    if not name.startswith(field.family) or not timm.is_model(name):
        kind = f"{field.family} model of timm" if field.family else "model of timm"
        suggestions = "".join(f"{network}, or " for network in (*field.builtin, field.example) if network)
        pattern = f"'{field.family}*'" if field.family else ""
        raise UsageError(f"{field.name}={name} is no {kind}: take {suggestions}one of timm.list_models({pattern}).")


def timm_arguments(weights: str) -> dict[str, Any]:
    """Return what `timm.create_model` takes to begin with such weights; timm fits a file's stem and head to the model.

    Args:
        weights: `none` (random), `timm` (pretrained, needs the internet), or the path of a safetensors file.

    Raises:
        UsageError: a path without a file.
    """
    if weights == "none":
        return {"pretrained": False}
    if weights == "timm":
        return {"pretrained": True}
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UsageError(f"weights={weights} is no file: write none, timm, or the path of a safetensors file.")
    return {"pretrained": True, "pretrained_cfg_overlay": {"file": str(path), "hf_hub_id": None}}
