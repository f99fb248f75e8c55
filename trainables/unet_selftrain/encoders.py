"""Whether there is such an encoder and such weights: known before any trial begins, without building a network."""

from __future__ import annotations

from trainables.networks.pretrained import timm_arguments
from trainables.settings import UsageError
from trainables.unet_selftrain.config import Config


def check(config: Config) -> None:
    """See that the network's encoder and its weights are there.

    Raises:
        UsageError: an encoder that timm does not have, or weights that are no file.
    """
    if config.network == "plain":
        return
    import timm  # noqa: PLC0415  (its import takes seconds, and the plain network needs none)

    if not timm.is_model(config.network):
        raise UsageError(f"network={config.network} is no encoder of timm: take plain, or one of timm.list_models().")
    timm_arguments(config.weights)
