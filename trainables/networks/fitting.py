"""Which tensors of a file fit which of a network: by name under some prefix, and by shape.

    a file's name    state_dict.module.layer1.0.conv1.weight
    a network's      layer1.0.conv1.weight                      the prefix is `state_dict.module.`

The prefix is not guessed from a list: it is the one under which most tensors fit. Names of publishers other than timm
are translated by the filter that timm has for the model's family.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

GREY, RGB = 1, 3
FILTER_NAMES = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")
FILTER_ERRORS = (AttributeError, AssertionError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
BATCH_COUNTER = "num_batches_tracked"
"""A counter beside the statistics of a batch norm, which older files lack and a network in evaluation does not use."""


class Misfit(NamedTuple):
    """A tensor that has the name of one of the network's, and another shape."""

    name: str
    file_shape: tuple[int, ...]
    network_shape: tuple[int, ...]


@dataclass(frozen=True)
class Fit:
    """The tensors of a file that a network can take.

    Attributes:
        values: by the network's own names; on the device `meta` where the file's are.
        prefix: that the file's names have before the network's.
        total: tensors of the network's body, which is all but its head; its heads are counted nowhere.
        missing: names of those of them that the file has not.
        misfits: those of them that have another shape in the file.
        head: tensors of the head that have another shape in the file; then the head is left out.
        without_head: whether the network has a head, and the file none for it.
    """

    values: Mapping[str, Tensor]
    prefix: str
    total: int
    missing: tuple[str, ...]
    misfits: tuple[Misfit, ...]
    head: tuple[Misfit, ...]
    without_head: bool

    @property
    def taken(self) -> int:
        """Tensors of the body that the file gives."""
        return self.total - len(self.missing) - len(self.misfits)


class Names:
    """The names of a network's tensors as timm has them, for a network may be a wrapper around timm's model.

    Attributes:
        natives: timm's name → that of the network itself.
        tensors: of the network by timm's name.
    """

    def __init__(self, network: nn.Module, model: nn.Module) -> None:
        names = list(model.state_dict())
        # timm's wrapper for feature maps flattens the first level: `stages.0.` becomes `stages_0.`
        self._lookup = {name.replace(".", "_", 1): name for name in names} | {name: name for name in names}
        self.natives: dict[str, str] = {}
        self.tensors: dict[str, Tensor] = {}
        for name, tensor in network.state_dict().items():
            timm_name = next((timm_name for _, timm_name in self.split(name)), name)
            self.natives[timm_name], self.tensors[timm_name] = name, tensor

    def split(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the ways in which a name is a prefix and a name of timm's, the shortest prefix first."""
        start = 0
        while True:
            timm_name = self._lookup.get(name[start:])
            if timm_name is not None:
                yield name[:start], timm_name
            start = name.find(".", start) + 1
            if start == 0:
                return

    def fits(self, name: str, tensor: Tensor) -> bool:
        """Return whether the network has a tensor of that name, shape and kind of number."""
        target = self.tensors.get(name)
        if target is None or target.shape != tensor.shape:
            return False
        return target.is_floating_point() == tensor.is_floating_point()


def fit(tensors: Mapping[str, Tensor], network: nn.Module, model: nn.Module) -> Fit:
    """Find which tensors a network can take.

    Args:
        tensors: of a file, by name.
        network: that takes them: a model of timm, or its feature maps.
        model: the whole model of timm that `network` is, or is made of; its tensors' values are not used.
    """
    names = Names(network, model)
    prefix = _choose_prefix(tensors, names)
    source = _select_prefix(tensors, names, prefix)
    if not all(name in source and names.fits(name, source[name]) for name in names.tensors):
        translation = _translate(tensors, names, model)
        if translation is not None and _count(translation[1], names) > _count(source, names):
            prefix, source = translation
    return _compare(_adapt_stem(source, names, model), names, _heads(model), prefix)


def _choose_prefix(tensors: Mapping[str, Tensor], names: Names) -> str:
    """Choose the prefix under which most tensors fit, by name and shape; then by name; of averages and weights, those.

    A checkpoint may hold the weights twice: averaged over the training (EMA), which timm prefers, and as they are.
    """
    fits: Counter[str] = Counter()
    matches: Counter[str] = Counter()
    for key, tensor in tensors.items():
        for prefix, name in names.split(key):
            if name in names.tensors:
                matches[prefix] += 1
                fits[prefix] += names.fits(name, tensor)
    return max(matches, key=lambda prefix: (fits[prefix], matches[prefix], "ema" in prefix, -len(prefix)), default="")


def _select_prefix(tensors: Mapping[str, Tensor], names: Names, prefix: str) -> dict[str, Tensor]:
    """Return the tensors below a prefix, by timm's names; those that timm has no name for are left out."""
    return {
        name: tensor
        for key, tensor in tensors.items()
        for before, name in names.split(key)
        if before == prefix and name in names.tensors
    }


def _translate(tensors: Mapping[str, Tensor], names: Names, model: nn.Module) -> tuple[str, dict[str, Tensor]] | None:
    """Let timm's filter of the model's family translate names; of all prefixes, the one after which most fit."""
    module = sys.modules[type(model).__module__]
    translate: Callable[..., Mapping[str, Any]] | None = next(
        (getattr(module, name) for name in FILTER_NAMES if hasattr(module, name)), None
    )
    if translate is None:
        return None
    takes_model = len(inspect.signature(translate).parameters) > 1
    translations = []
    for prefix in _common_prefixes(tensors):
        part = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
        try:
            values = translate(part, model) if takes_model else translate(part)
        except FILTER_ERRORS:  # it is made for some publisher's names, and meets others: they stay as they are
            continue
        source = {key: value for key, value in values.items() if isinstance(value, Tensor)}
        translations.append((prefix, _select_prefix(source, names, "")))
    return max(translations, key=lambda item: _count(item[1], names), default=None)


def _common_prefixes(tensors: Mapping[str, Tensor]) -> list[str]:
    """List the prefixes that at least a third of the names have: of a checkpoint that holds weights twice, both."""
    counts: Counter[str] = Counter()
    for key in tensors:
        parts = key.split(".")
        counts.update(".".join(parts[:end]) + "." for end in range(1, len(parts)))
    return ["", *(prefix for prefix, count in counts.items() if 3 * count >= len(tensors))]


def _count(source: Mapping[str, Tensor], names: Names) -> int:
    return sum(names.fits(name, tensor) for name, tensor in source.items())


def _adapt_stem(source: Mapping[str, Tensor], names: Names, model: nn.Module) -> dict[str, Tensor]:
    """Fit the first convolutions of a file that was trained on grey or colour images to other channels."""
    output = dict(source)
    for stem in _module_names(model, "first_conv"):
        name = f"{stem}.weight"
        if name not in source or name not in names.tensors or names.fits(name, source[name]):
            continue
        weight, shape = source[name], names.tensors[name].shape
        has_kernel = weight.ndim == 4 and weight.shape == (shape[0], weight.shape[1], *shape[2:])
        if has_kernel and weight.is_floating_point() and weight.shape[1] in (GREY, RGB):
            output[name] = _adapt_channels(weight, shape[1])
    return output


def _adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """Fit a convolution's weights `[O, I, h, w]` to other channels: their sum for grey, else repeated and scaled.

    Source: `adapt_input_conv` of timm, whose older versions take colour images alone.
    """
    before = weight.shape[1]
    if channels == GREY:
        return weight.float().sum(dim=1, keepdim=True).to(weight.dtype)
    tiles = weight.float().repeat(1, math.ceil(channels / before), 1, 1)[:, :channels]
    return (tiles * (before / channels)).to(weight.dtype)


def _compare(source: Mapping[str, Tensor], names: Names, heads: tuple[str, ...], prefix: str) -> Fit:
    head = [name for name in names.tensors if name.startswith(heads)]
    body = [name for name in names.tensors if not name.startswith(heads) and not name.endswith(BATCH_COUNTER)]
    wrong = {name for name, tensor in source.items() if not names.fits(name, tensor)}
    omissions = wrong.union(head) if wrong.intersection(head) else wrong  # a bias alone is of no use
    return Fit(
        values={names.natives[name]: tensor for name, tensor in source.items() if name not in omissions},
        prefix=prefix,
        total=len(body),
        missing=tuple(names.natives[name] for name in body if name not in source),
        misfits=tuple(_misfit(name, source, names) for name in body if name in wrong),
        head=tuple(_misfit(name, source, names) for name in head if name in wrong),
        without_head=bool(head) and not any(name in source for name in head),
    )


def _misfit(name: str, source: Mapping[str, Tensor], names: Names) -> Misfit:
    return Misfit(names.natives[name], tuple(source[name].shape), tuple(names.tensors[name].shape))


def _heads(model: nn.Module) -> tuple[str, ...]:
    return tuple(f"{name}." for name in _module_names(model, "classifier"))


def _module_names(model: nn.Module, key: str) -> tuple[str, ...]:
    """Return the modules that timm's description of a model names under a key: none, one or several."""
    description: Any = model.pretrained_cfg
    modules = description.get(key)
    return (modules,) if isinstance(modules, str) else tuple(modules or ())
