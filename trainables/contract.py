"""What a training variant provides.

A variant is a folder under `trainables/`. These files the project needs:

    __init__.py   TITLE, one line for people
    config.py     Config (a `TrainingConfig`) and Data (a `DataConfig`); imports no torch, so that settings check fast
    data.py       prepare(config, data, splits): decode, download nothing, say what is missing
    variant.py    build = the `Variant` subclass
    adequacy.py   assess(config, data, splits): whether the splits can judge; a variant need not have one
    baselines.py  compute(config, data): what chance and trivial methods reach; a variant need not have one
    reports.py    keys(config): the keys of every report; a variant need not have one
    card.py       sections(folder, config, data, facts): what it adds to a model card; a variant need not have one

The five variants that come with the project have, besides, the same files for the same roles (CONTRIBUTING.md lists
them). Nothing else registers a variant: `trainables.registry` finds the folder by its name. A variant in a package of
its own is loaded by its dotted name (`variant: my_lab.my_variant`). A variant knows nothing of Ray and owns no loop:
`trainables.training.loop.Loop` calls it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from trainables.base_config import TrainingConfig
from trainables.stages import Stage

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from trainables.processes import Processes

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Finding:
    """One health finding of a trial.

    Attributes:
        check: short name, the same in every trial (`mask collapsed`).
        message: a sentence with the measured value and what to change.
        fatal: whether further training is pointless; after `collapse_patience` such epochs in a row the loop stops.
    """

    check: str
    message: str
    fatal: bool = False


class Step(NamedTuple):
    """Result of one training step.

    Attributes:
        loss: scalar with a graph; the loop differentiates it.
        components: unweighted terms and other scalars, averaged over the epoch; keys as reported (`raw/…`, `train/…`,
            `health/…`).
    """

    loss: Tensor
    components: Mapping[str, Tensor]


class Context(NamedTuple):
    """Context in which a variant is built.

    Attributes:
        device: of its modules and batches.
        seed: of everything random.
        splits: of the data that it may load.
        processes: that train it together.
    """

    device: torch.device
    seed: int
    splits: tuple[Split, ...]
    processes: Processes


class Variant(ABC):
    """A training method on its data: models, one training step, evaluation, health, panels.

    Subclasses take `(config, data, context)`, a `Context`, and build everything in the constructor.
    The same arguments give the same variant, bit for bit on CPU.
    """

    config: TrainingConfig
    device: torch.device
    processes: Processes
    splits: Mapping[Split, Any] = MappingProxyType({})
    """The splits that it was built with, by name, each with `describe()`; a variant without examples has none."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages in their order; the last one ends with the budget."""
        return (Stage("training", self.config.epochs),)

    @property
    def updates_per_batch(self) -> int:
        """Optimiser updates on each batch; more than one only where a method re-uses its samples (PPO)."""
        return 1

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Batches of one epoch; the same in every epoch."""

    @abstractmethod
    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return AdamW's parameter groups; `lr` and `weight_decay` may be given per group."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[Any]:
        """Yield this process's share of every batch of an epoch (from 0), on the device; depends on seed and epoch."""

    @abstractmethod
    def step(self, batch: Any, update: int) -> Step:
        """Compute the losses of one batch, in training mode; `update` counts the re-uses of the batch from 0."""

    @abstractmethod
    def evaluate(self, split: Split) -> dict[str, float]:
        """Compute the metrics of a split: a function of the weights alone (no training randomness).

        The loop reports `key` as `val/key`; a key that begins with `health/` stays as it is.

        Raises:
            ValueError: the variant was not built with that split.
        """

    @abstractmethod
    def modules(self) -> Mapping[str, nn.Module]:
        """Return every trained module by name; the loop saves, restores and exports their state."""

    def gradient_parts(self) -> Mapping[str, nn.Module]:
        """Return parts of the modules by name, of which the loop reports gradients and updates; none by default."""
        return {}

    @abstractmethod
    def begin_epoch(self, epoch: int) -> None:
        """Put modules in training mode and set the schedules of an epoch (from 0); called before it.

        At the border of a stage the weights are still those of the stage before.
        """

    def end_epoch(self) -> None:  # noqa: B027  (most variants score what they have trained as it is)
        """Finish an epoch, after its last step: a change made here is part of what is scored and saved."""

    def state(self) -> dict[str, Any]:
        """Return all other state that training depends on (generators, running weights): tensors and plain values."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027  (most variants hold no other state)
        """Restore what `state` returned."""

    def health(self, report: Mapping[str, float]) -> list[Finding]:
        """Return the health findings of one epoch's report."""
        return []

    def panels(self) -> dict[str, np.ndarray]:
        """Draw the model on fixed validation examples: title, fit for a file name → uint8 array `[H, W, 3]`."""
        return {}

    def stage_panel(self) -> np.ndarray | None:
        """Draw what a stage with a folder leaves for people to look at, uint8 `[H, W, 3]`; None: nothing."""
        return None

    def describe(self) -> dict[str, Any]:
        """Describe data and model for cards and the record: splits, parameters of networks, and the first weights.

        First weights are described where they are from a file (`trainables.networks.first_weights`) and no export's
        weights have replaced them.
        """
        networks = self.gradient_parts() or self.modules()
        facts = [
            cast(Any, module).first_weights.facts
            for network in networks.values()
            for module in network.modules()
            if hasattr(module, "first_weights") and self.config.init_from is None
        ]
        return {
            **({"first_weights": facts[0]} if facts else {}),
            "splits": {name: split.describe() for name, split in self.splits.items()},
            "parameters": {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()},
        }

    def require_splits(self, *names: Split) -> None:
        """Check that the variant was built with some splits.

        Raises:
            ValueError: it was not; the first one that is missing is named.
        """
        for name in names:
            if name not in self.splits:
                raise ValueError(f"to evaluate {names[0]}, build the variant with the {name} split too")
