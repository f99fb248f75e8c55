"""What a training variant provides.

A variant is a folder under `trainables/`. These files the project needs:

    __init__.py   TITLE, one line for people
    config.py     Config (a `TrainingConfig`) and Data (a `DataConfig`); imports no torch, so that settings check fast
    data.py       prepare(config, data, splits): decode, download nothing, say what is missing
    variant.py    build = the `Variant` subclass
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
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from trainables.settings import Settings, UsageError, setting, suggest_name
from trainables.stages import Stage

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from trainables.processes import Processes

Split = Literal["train", "val", "test"]


class NetworkField(NamedTuple):
    """A field of a Config that names a network of timm, or one of the variant's own.

    Attributes:
        name: of the field.
        builtin: networks that are not timm's.
        family: with which the names of timm's must begin; empty: any will do.
        weights: field with the first weights (`none`, `timm`, or a path); None: they are random.
    """

    name: str
    builtin: tuple[str, ...] = ()
    family: str = ""
    weights: str | None = "weights"


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Settings):
    """The settings that the one loop reads; every variant's Config adds its own to them."""

    ARCHITECTURE: ClassVar[tuple[str, ...]] = ()
    """The fields that decide which weights there are; `init_from` needs them to be as they were."""

    NETWORKS: ClassVar[tuple[NetworkField, ...]] = ()
    """The fields that name networks; whether there are such is asked before a search begins."""

    PATHS: ClassVar[tuple[str, ...]] = ("init_from", "weights")
    """Fields, where there are such, that may hold a path: made absolute, for a trial runs in another folder."""

    epochs: int = setting(20, "full budget in epochs; every schedule is a function of it", low=1)
    batch_size: int = setting(24, "images per forward pass, over all processes", low=1)
    lr: float = setting(1e-4, "peak learning rate of AdamW", low=0.0)
    weight_decay: float = setting(0.05, "AdamW's decoupled weight decay", low=0.0)
    warmup_epochs: float = setting(1.0, "epochs of linear warm-up before the cosine decay", low=0.0)
    clip_norm: float = setting(1.0, "gradients are clipped to this global norm; 0 leaves them alone", low=0.0)
    accumulate: int = setting(1, "forward passes per optimiser step", low=1)
    precision: Literal["auto", "fp32", "bf16"] = setting("auto", "auto: bf16 autocast where the GPU has it")
    patience: int = setting(0, "stop after this many epochs without a better objective; 0 never", low=0)
    collapse_patience: int = setting(
        2, "stop after this many epochs in a row with a fatal health finding; 0 never", low=0
    )
    init_from: str | None = setting(None, "export whose weights training begins with; none: random ones")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in set(self.PATHS) & set(self.names()):
            object.__setattr__(self, name, self.convert(name, getattr(self, name)))

    @classmethod
    def convert(cls, name: str, value: Any) -> Any:
        """Convert a value as every `Settings` does, and make a path absolute."""
        value = super().convert(name, value)
        is_path = name in cls.PATHS and value not in (None, "none", "timm")  # words that `weights` may hold
        return str(Path(value).expanduser().resolve()) if is_path else value


@dataclass(frozen=True, kw_only=True)
class DataConfig(Settings):
    """The settings that say where a variant's data come from; every variant's Data adds its own."""

    SOURCES: ClassVar[tuple[str, ...]] = ("synthetic",)
    """The accepted values of `source`; all but `synthetic` need a root."""

    SPLITTING: ClassVar[tuple[str, ...]] = ()
    """The fields that decide what training sees of the data; `init_from` needs them to be as they were."""

    source: str = setting("synthetic", "where the data come from; synthetic is generated with known ground truth")
    root: str | None = setting(None, "folder of the data; not for synthetic")
    bad_images: Literal["fatal", "skip"] = setting(
        "fatal", "corrupt or missing images: stop, or leave them out and say so"
    )
    cache: str = setting("~/.cache/assay", "folder of the decoded images that all trials share")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source not in self.SOURCES:
            raise UsageError(f"source={self.source} is not possible; {suggest_name(self.source, list(self.SOURCES))}")
        if self.source != "synthetic" and self.root is None:
            raise UsageError(f"source={self.source} reads files: say where with data.root=FOLDER.")
        if self.root is not None:  # made absolute, for a trial does not run in the folder where it was asked for
            object.__setattr__(self, "root", str(Path(self.root).expanduser().resolve()))

    @property
    def folder(self) -> Path:
        """The folder of the data, as a path; a run can be read back without it.

        Raises:
            UsageError: the root is no folder.
        """
        folder = Path(str(self.root))
        if not folder.is_dir():
            raise UsageError(f"data.root={self.root} is no folder; give the one that holds the data.")
        return folder


@dataclass(frozen=True)
class Finding:
    """One health finding of a trial.

    Attributes:
        check: short name, the same in every trial (`mask collapsed`).
        message: a sentence with the measured value and what to change.
        fatal: whether training on is a waste; the loop stops the trial after `collapse_patience` such epochs in a row.
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
    """The splits that it was built with, by name; a variant without examples has none."""

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
        """Describe data and model for cards and the record: every split, and the parameters of every network."""
        networks = self.gradient_parts() or self.modules()
        return {
            "splits": {name: split.describe() for name, split in self.splits.items()},
            "parameters": {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()},
        }

    def require_splits(self, *names: Split) -> None:
        """See that the variant was built with some splits.

        Raises:
            ValueError: it was not; the first one that is missing is named.
        """
        for name in names:
            if name not in self.splits:
                raise ValueError(f"to evaluate {names[0]}, build the variant with the {name} split too")
