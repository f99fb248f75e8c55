"""First weights of a network of timm, from a file: checked before a training, loaded, counted and described.

    network = create_network("resnet18", config.weights, num_classes=4)     in a variant
    check_fit(field, "resnet18", path)                                      before a search, without the file's values
    network.first_weights.facts                                             of a file's, for the model card

Names, prefixes, heads and stems are compared in `fitting`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import timm
import torch
from torch import Tensor, nn

from trainables.networks.fitting import BATCH_COUNTER, Fit, Misfit, fit
from trainables.networks.pretrained import TIMM, check_file, is_file
from trainables.networks.tensor_files import read_shapes, read_tensors
from trainables.settings import Notice, UsageError, first_line

if TYPE_CHECKING:
    from trainables.base_config import NetworkField

ATTRIBUTE = "first_weights"
"""The `FirstWeights` of a network that were loaded from a file; `Variant.describe` looks for it."""


class FirstWeights(NamedTuple):
    """First weights of a network that are from a file.

    Attributes:
        names: of the network's tensors that the file gave.
        facts: for the model card: the file, how much of the network it gave, the names' prefix, and the head.
    """

    names: frozenset[str]
    facts: dict[str, str]


def create_network(name: str, weights: str, **arguments: Any) -> nn.Module:
    """Build a model of timm, or its feature maps, with its first weights.

    Args:
        name: of the model.
        weights: none (random), timm (fetched from the internet), or the path of a file.
        arguments: of `timm.create_model`.

    Raises:
        UsageError: weights that cannot be fetched or read, or that fit nothing of the network.
    """
    try:
        network: nn.Module = timm.create_model(name, pretrained=weights == TIMM, **arguments)
    except OSError as error:
        raise fetch_error(name, error) from error
    load_first_weights(network, name, weights)
    return network


def load_first_weights(network: nn.Module, name: str, weights: str) -> None:
    """Load a file's tensors into a network, those that fit, and note facts about them on the network.

    Args:
        network: a model of timm, or its feature maps.
        name: of the model.
        weights: path of the file; with none and timm there is nothing to do.

    Raises:
        UsageError: the file cannot be read, or gives nothing of the network's body.
    """
    if not is_file(weights):
        return
    check_file(weights)
    path, model = Path(weights), outline(name)
    tensors = read_tensors(path)
    match = fit(tensors, network, model)
    if match.taken == 0:
        raise _misfit_error(path, name, tensors, match)
    network.load_state_dict(match.values, strict=False)
    setattr(network, ATTRIBUTE, FirstWeights(frozenset(match.values), _describe(path, match)))


def check_fit(field: NetworkField, name: str, weights: str, channels: int = 3) -> None:
    """Check that weights fit a network, of a file mostly by names and shapes alone; a `Notice` says what does not.

    Args:
        field: of the config that names the network.
        name: of the network.
        weights: timm, or the path of a file.
        channels: of the network's images.

    Raises:
        UsageError: the file cannot be read or gives nothing of the network's body, or timm has no weights of it.
    """
    if weights == TIMM:
        if not timm.is_model_pretrained(name):
            raise UsageError(f"weights=timm: timm has no weights of {field.name}={name}: give a file's path, or none.")
        return
    path = Path(weights)
    tensors = read_shapes(path)
    try:
        network = outline(name, in_chans=channels, **({"features_only": True} if field.features_only else {}))
    except (AttributeError, NotImplementedError, RuntimeError, ValueError) as error:
        problem = "has no feature maps" if field.features_only else "cannot be built"
        raise UsageError(f"{field.name}={name} {problem}: {first_line(error)}; take another network.") from error
    model = outline(name)
    match = fit(tensors, network, model)
    if match.taken < match.total:  # some of timm's filters compute with values
        tensors = read_tensors(path)
        match = fit(tensors, network, model)
    if match.taken == 0:
        raise _misfit_error(path, f"{field.name}={name}", tensors, match)
    if match.taken < match.total:
        warnings.warn(_shortfall(path, f"{field.name}={name}", match), Notice, stacklevel=2)


def outline(name: str, **arguments: Any) -> nn.Module:
    """Build a model of timm without memory for its values, where it allows that; draws no random numbers."""
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                network: nn.Module = timm.create_model(name, **arguments)
        except (NotImplementedError, RuntimeError):  # its constructor computes with values
            network = timm.create_model(name, **arguments)
    return network


def fetch_error(name: str, error: OSError) -> UsageError:
    """Return the error of weights that timm could not fetch."""
    return UsageError(
        f"weights=timm: the weights of {name} could not be fetched ({first_line(error)[:200]}): give the path of a "
        "file, or none."
    )


def _describe(path: Path, match: Fit) -> dict[str, str]:
    facts = {"file": str(path), "taken": f"{match.taken} of {match.total} tensors"}
    if match.prefix:
        facts["prefix"] = match.prefix
    if match.head:
        facts["head"] = f"left out, for {_format_misfit(match.head[0])}"
    elif match.without_head:
        facts["head"] = "not in the file"
    return facts


def _misfit_error(path: Path, network: str, tensors: Mapping[str, Tensor], match: Fit) -> UsageError:
    """Return the error of a file that gives nothing; it shows a tensor of the file and one of the network."""
    if match.misfits:
        example = _format_misfit(match.misfits[0])
    else:
        name = min(tensors, key=lambda name: name.endswith(BATCH_COUNTER))  # the first one, but for counters
        example = f"its first is {name} {list(tensors[name].shape)}, and the network's {match.missing[0]}"
    return UsageError(
        f"weights={path} has none of the {match.total} tensors that {network} needs: {example}; give weights of that "
        "network."
    )


def _shortfall(path: Path, network: str, match: Fit) -> str:
    """Say how much of a network a file gives, and with an example what is missing or of another shape."""
    gaps = []
    if match.missing:
        gaps.append(f"missing: {len(match.missing)}, such as {match.missing[0]}")
    if match.misfits:
        gaps.append(f"of another shape: {len(match.misfits)}, as {_format_misfit(match.misfits[0])}")
    return (
        f"weights={path} gives {match.taken} of the {match.total} tensors of {network} ({'; '.join(gaps)}): "
        "the others begin random."
    )


def _format_misfit(misfit: Misfit) -> str:
    return f"{misfit.name} is {list(misfit.file_shape)} in the file and {list(misfit.network_shape)} in the network"
