"""Networks of timm: whether there is one of a name, and its first weights: none, timm's, or those of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.settings import UsageError

if TYPE_CHECKING:
    from trainables.base_config import NetworkField, TrainingConfig


def check_networks(config: TrainingConfig) -> None:
    """See that there are the networks that a config names, and the files of their weights; builds nothing.

    Raises:
        UsageError: a network that timm does not have, or weights that are no file.
    """
    for field in config.NETWORKS:
        check_network(field, getattr(config, field.name))
        if field.weights is not None:
            timm_arguments(getattr(config, field.weights))


def check_network(field: NetworkField, name: str) -> None:
    """See that there is a network of that name.

    Raises:
        UsageError: it is neither one of the variant's own nor one of timm's, or not of the family.
    """
    if name in field.builtin:
        return
    import timm  # noqa: PLC0415  (its import takes seconds, and a variant's own networks need none)

    if not name.startswith(field.family) or not timm.is_model(name):
        kind = f"{field.family} model of timm" if field.family else "model of timm"
        builtin = "".join(f"{network}, or " for network in field.builtin)
        pattern = f"'{field.family}*'" if field.family else ""
        raise UsageError(f"{field.name}={name} is no {kind}: take {builtin}one of timm.list_models({pattern}).")


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
