"""Whether there is such a backbone and such weights: known before any trial begins, without building a network."""

from __future__ import annotations

from trainables.networks.pretrained import timm_arguments
from trainables.seq_attention.config import Config
from trainables.settings import UsageError

SMALL = "small"


def check(config: Config) -> None:
    """See that the backbone and its weights are there.

    Raises:
        UsageError: a backbone that timm does not have, or weights that are no file.
    """
    if config.backbone == SMALL:
        return
    import timm  # noqa: PLC0415  (its import takes seconds, and the small network needs none)

    if not timm.is_model(config.backbone):
        raise UsageError(f"backbone={config.backbone} is no model of timm: take small, or one of timm.list_models().")
    timm_arguments(config.weights)
