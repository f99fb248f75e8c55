"""A variant by its name, and what can be done with it before torch is imported."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trainables import report_keys, trust
from trainables.adequacy.assessment import Adequacy
from trainables.base_config import DataConfig, TrainingConfig
from trainables.contract import Context, Split
from trainables.networks import pretrained
from trainables.objective import Objective
from trainables.settings import UsageError, describe_unknown, first_line
from trainables.training import init_from

if TYPE_CHECKING:
    import torch

    from trainables.contract import Variant
    from trainables.processes import Processes


@dataclass(frozen=True)
class Entry:
    """A variant by its name; torch is not imported until `build` or `prepare` is called."""

    name: str
    title: str
    package: str
    Config: type[TrainingConfig]
    Data: type[DataConfig]

    @property
    def has_baselines(self) -> bool:
        """Whether the variant has a `baselines.py`."""
        return importlib.util.find_spec(f"{self.package}.baselines") is not None

    def check(
        self,
        config: TrainingConfig,
        data: DataConfig,
        alternatives: Mapping[str, Sequence[Any]] | None = None,
        is_possible: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> None:
        """Check, without building anything, that what a training begins with exists: data, networks, an export.

        Args:
            config: of the training.
            data: where its data come from.
            alternatives: other values that a search gives to fields of the config.
            is_possible: whether a trial may have such values, field → value, together; without it, all may be.

        Raises:
            UsageError: something is not there, or does not fit.
        """
        data.check()
        pretrained.check_networks(config, alternatives)
        pretrained.check_weights(config, alternatives, is_possible)
        init_from.check(self.name, config, data)

    def check_metrics(self, config: TrainingConfig, objective: Objective) -> None:
        """Check that the reports of a training have the metrics of an objective, where the variant declares its keys.

        Raises:
            UsageError: they lack one; the nearest is suggested.
        """
        if importlib.util.find_spec(f"{self.package}.reports") is None:
            return
        keys = importlib.import_module(f"{self.package}.reports").keys(config)
        report_keys.check_metrics(objective, keys, self.name)

    def inherit(self, fixed: Mapping[str, Any], search_names: Collection[str]) -> dict[str, Any]:
        """Add to the fixed fields those of the export in `init_from`, except for fields that are fixed or searched.

        Args:
            fixed: fields of the Config, `init_from` among them or not.
            search_names: fields that the search varies.
        """
        if not isinstance(fixed.get("init_from"), str):
            return dict(fixed)
        folder = self.Config.convert("init_from", fixed["init_from"])
        before = init_from.inherited_settings(self.name, self.Config, folder) if folder is not None else {}
        return {**{name: value for name, value in before.items() if name not in search_names}, **fixed}

    def prepare(self, config: TrainingConfig, data: DataConfig, splits: Sequence[Split] = ("train", "val")) -> None:
        """Decode the images of some splits once, with a progress bar, before any trial needs them.

        Raises:
            UsageError: data that are missing or unreadable, named.
        """
        data.check()
        importlib.import_module(f"{self.package}.data").prepare(config, data, splits)

    def assess(
        self, config: TrainingConfig, data: DataConfig, splits: Sequence[Split] = ("train", "val")
    ) -> Adequacy | None:
        """Assess what some splits, training among them, can judge; None where the variant has no file for that.

        Raises:
            UsageError: as `prepare` does, after which nothing is decoded again.
        """
        if importlib.util.find_spec(f"{self.package}.adequacy") is None:
            return None
        adequacy: Adequacy = importlib.import_module(f"{self.package}.adequacy").assess(config, data, splits)
        return adequacy

    def card_sections(
        self, folder: str, config: TrainingConfig, data: DataConfig, facts: Mapping[str, Any]
    ) -> dict[str, str]:
        """Write what the variant adds to the model card of an exported `folder`: title → Markdown.

        Args:
            facts: the description of data and model (`Variant.describe`) when the folder was written.
        """
        if importlib.util.find_spec(f"{self.package}.card") is None:
            return {}
        sections: dict[str, str] = importlib.import_module(f"{self.package}.card").sections(folder, config, data, facts)
        return sections

    def baselines(self, config: TrainingConfig, data: DataConfig) -> dict[str, dict[str, float]]:
        """Compute what chance and trivial methods reach on validation: row → metrics under the keys of a report.

        A variant without a `baselines.py` has no rows.
        """
        if not self.has_baselines:
            return {}
        rows: dict[str, dict[str, float]] = importlib.import_module(f"{self.package}.baselines").compute(config, data)
        return rows

    def load(self) -> ModuleType:
        """Import the variant and all that it needs, torch first, which takes seconds in a new process."""
        return importlib.import_module(f"{self.package}.variant")

    def build(
        self,
        config: TrainingConfig,
        data: DataConfig,
        *,
        device: str | torch.device = "cpu",
        seed: int = 0,
        splits: Sequence[Split] = ("train", "val"),
        processes: Processes | None = None,
    ) -> Variant:
        """Build the variant. A search asks for train and val, so that it holds no test image at all.

        Raises:
            UsageError: a network or weights that do not exist, or data that cannot be read.
        """
        pretrained.check_networks(config)
        import torch  # noqa: PLC0415  (settings are checked without it)

        from trainables.processes import Processes  # noqa: PLC0415

        module = self.load()
        torch.manual_seed(seed)  # of first weights and stochastic depth, which use torch's own generator
        context = Context(torch.device(device), seed, tuple(splits), processes or Processes())
        variant: Variant = module.build(config, data, context)
        return variant


def names() -> list[str]:
    """List the variants that come with the project: every folder of this package with a `variant.py`."""
    return sorted(file.parent.name for file in Path(__file__).parent.glob("*/variant.py"))


def load(name: str, record: Path | None = None) -> Entry:
    """Load the variant of that name, or of that dotted package.

    Args:
        name: of the variant.
        record: folder of the run or export whose file names it; None: a user names it.

    Raises:
        UsageError: no such variant (those that exist are listed), or one that a record may not name.
    """
    package = name if "." in name else f"trainables.{name}"
    if ("." not in name and name not in names()) or not all(part.isidentifier() for part in package.split(".")):
        raise UsageError(describe_unknown(name, names(), kind="variant"))
    if record is not None:
        trust.check_record(package, record)
    return _load_package(name, package)


def load_outside(name: str, folder: Path) -> Entry:
    """Load a variant that has been checked already, unless it would be imported from `folder`: that of a run.

    Raises:
        UsageError: no such variant, or it lies in the folder.
    """
    trust.check_place(name if "." in name else f"trainables.{name}", folder)
    return load(name)


def _load_package(name: str, package: str) -> Entry:
    try:
        config = importlib.import_module(f"{package}.config")
    except ImportError as error:
        raise UsageError(f"variant {name}: {first_line(error)}; it must be importable where trials run.") from error
    title = getattr(sys.modules[package], "TITLE", None)
    kinds = [getattr(config, kind, None) for kind in ("Config", "Data")]
    if title is None or None in kinds:
        raise UsageError(f"variant {name} is none: {package} needs a TITLE, and its config.py Config and Data.")
    return Entry(name, title, package, config.Config, config.Data)
