"""The setting `weights` of timm models: none, timm, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainables.settings import UsageError


def timm_arguments(weights: str) -> dict[str, Any]:
    """What `timm.create_model` takes to begin with such weights; timm fits a file's stem and head to the model.

    Args:
        weights: `none` (random), `timm` (pretrained, needs the network), or the path of a safetensors file.

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
