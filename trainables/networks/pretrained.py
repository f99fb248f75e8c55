"""Networks of timm, before any is built: whether there is one of a name, and whether its first weights fit it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.settings import UsageError

if TYPE_CHECKING:
    from trainables.base_config import NetworkField, TrainingConfig

RANDOM, TIMM = "none", "timm"
"""The words that `weights` may be instead of a path."""


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
        for name in _values(config, choices, field.name):
            check_network(field, name)
        for weights in _values(config, choices, field.weights) if field.weights is not None else ():
            check_file(weights)


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


def check_weights(
    config: TrainingConfig,
    alternatives: Mapping[str, Sequence[Any]] | None = None,
    is_possible: Callable[[Mapping[str, Any]], bool] | None = None,
) -> None:
    """Check that first weights fit their networks, by names and shapes; whatever of a network lacks is told.

    Args:
        config: whose `NETWORKS` are checked.
        alternatives: other values that a search gives to fields of the config.
        is_possible: whether a trial may have such values, field → value, together; without it, all may be.

    Raises:
        UsageError: a file that cannot be read or gives nothing of a network, or a network that timm has no weights of.
    """
    choices = alternatives or {}
    for field in config.NETWORKS:
        if field.weights is None or (field.condition and not getattr(config, field.condition)):
            continue
        names = _values(config, choices, field.name)
        for name, weights in itertools.product(names, _values(config, choices, field.weights)):
            pair = {field.name: name, field.weights: weights}
            if weights == RANDOM or name in field.builtin or not (is_possible is None or is_possible(pair)):
                continue
            from trainables.networks import first_weights  # noqa: PLC0415  (torch and timm, which random weights spare)

            path = config.convert(field.weights, weights)
            first_weights.check_fit(field, name, path, field.count_channels(config))


def check_file(weights: str) -> None:
    """Check that weights are a word or an existing file.

    Raises:
        UsageError: a path without a file.
    """
    path = Path(weights)
    if not is_file(weights) or path.is_file():
        return
    if files := sorted(path.glob("*.safetensors")):  # an export, for example
        raise UsageError(f"weights={weights} is a folder: give a file, such as {files[0]}.")
    raise UsageError(
        f"weights={weights} is no file: write none, timm, or the path of a file, safetensors or a state dict."
    )


def is_file(weights: str) -> bool:
    """Return whether weights are the path of a file, and neither random nor fetched by timm."""
    return weights not in (RANDOM, TIMM)


def _values(config: TrainingConfig, alternatives: Mapping[str, Sequence[Any]], name: str) -> list[Any]:
    """List the values that a field has or may get in a search, each once."""
    return list(dict.fromkeys([getattr(config, name), *alternatives.get(name, ())]))
