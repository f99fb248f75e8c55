"""What every variant's Config and Data begin with: the settings of the loop, and where data come from. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from trainables.settings import Settings, UsageError, setting, suggest_name


class NetworkField(NamedTuple):
    """A field of a Config that names a network of timm, or one of the variant's own.

    Attributes:
        name: of the field.
        builtin: networks that are not timm's.
        family: with which the names of timm's must begin; empty: any will do.
        example: a network of timm that a refusal suggests.
        weights: field with the first weights (`none`, `timm`, or a path); None: they are random.
        condition: property of the Config that says whether the network is built at all; empty: always.
        features_only: whether its feature maps are read, and its last layers are not built.
        channels: of its images, or the field of the Config that says so.
    """

    name: str
    builtin: tuple[str, ...] = ()
    family: str = ""
    example: str = ""
    weights: str | None = "weights"
    condition: str = ""
    features_only: bool = False
    channels: int | str = 3

    def count_channels(self, config: TrainingConfig) -> int:
        """Return the number of channels of the network's images."""
        return int(getattr(config, self.channels)) if isinstance(self.channels, str) else self.channels


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
    batch_size: int = setting(24, "images per forward pass, over all processes", low=1, high=65536)
    lr: float = setting(1e-4, "peak learning rate of AdamW", low=0.0)
    weight_decay: float = setting(0.05, "AdamW's decoupled weight decay", low=0.0)
    warmup_epochs: float = setting(1.0, "epochs of linear warm-up before the cosine decay", low=0.0)
    clip_norm: float = setting(1.0, "gradients are clipped to this global norm; 0 leaves them alone", low=0.0)
    accumulate: int = setting(1, "forward passes per optimiser step", low=1)
    precision: Literal["auto", "fp32", "bf16"] = setting("auto", "auto: bf16 autocast where the GPU has it")
    patience: int = setting(
        0, "stop after this many epochs without a better objective, in the last stage alone; 0 never", low=0
    )
    collapse_patience: int = setting(
        2, "stop after this many epochs in a row with a fatal health finding; 0 never", low=0
    )
    init_from: str | None = setting(None, "export whose weights training begins with; none: random ones", path=True)

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

    FOLDS: ClassVar[tuple[str, str] | None] = None
    """The fields with the number of the fold and the number of folds, where files are split for cross-validation: one
    fold is validated, one is the test split. Runs that differ in the fold alone are compared fold by fold."""

    source: str = setting("synthetic", "where the data come from; synthetic is generated with known ground truth")
    root: str | None = setting(None, "folder of the data; not for synthetic", path=True)
    bad_images: Literal["fatal", "skip"] = setting(
        "fatal", "corrupt or missing images: stop, or leave them out and say so"
    )
    cache: str = setting("~/.cache/assay", "folder of the decoded images that all trials share", path=True)

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
        """The folder of the data, as a path."""
        return Path(str(self.root))

    def check(self) -> None:
        """Check that the folder of the data exists; a run can be read back without it.

        Raises:
            UsageError: the root is no folder.
        """
        if self.root is not None and not self.folder.is_dir():
            raise UsageError(f"data.root={self.root} is no folder; give the one that holds the data.")
