"""An export opened for inference: its config, facts about data and model, and its weights.

export = Export.open("export/NAME", Config)
export.load_weights({"classifier": network})
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from safetensors import safe_open

from trainables.base_config import DataConfig, TrainingConfig
from trainables.export.recipe import Recipe
from trainables.files import CONFIG, METRICS, WEIGHTS
from trainables.settings import UsageError
from trainables.training.weights import load_modules

if TYPE_CHECKING:
    from torch import Tensor, nn

SomeConfig = TypeVar("SomeConfig", bound=TrainingConfig)
SomeData = TypeVar("SomeData", bound=DataConfig)


@dataclass(frozen=True)
class Export(Generic[SomeConfig, SomeData]):
    """A folder that `analysis.export` or `trainables.train` wrote, of one variant.

    Attributes:
        folder: that was opened.
        config: the variant's Config; data: its Data.
        facts: the variant's description of data and model (`Variant.describe`).
        report: metrics of the exported epoch.
    """

    folder: Path
    config: SomeConfig
    data: SomeData
    facts: Mapping[str, Any]
    report: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | Path, config: type[SomeConfig], data: type[SomeData]) -> Export[SomeConfig, SomeData]:
        """Open an export of the variant that these are the Config and Data of.

        Raises:
            UsageError: the folder is no export, lacks a file, or is of another variant.
        """
        folder = Path(folder)
        for name in (CONFIG, METRICS, WEIGHTS):
            if not (folder / name).is_file():
                raise UsageError(f"{folder} is no export (it has no {name}); `python -m analysis.export` writes one.")
        recipe = Recipe.read(folder / CONFIG, {}, {}, package=config.__module__.rpartition(".")[0])
        if not isinstance(recipe.config, config) or not isinstance(recipe.data, data):
            package = recipe.entry.package
            raise UsageError(
                f"{folder} is an export of the variant {recipe.entry.name}: open it with {package}.inference, "
                f"not with {config.__module__.rpartition('.')[0]}.inference."
            )
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        return cls(folder, recipe.config, recipe.data, metrics["facts"], metrics["report"])

    def load_weights(self, modules: Mapping[str, nn.Module]) -> None:
        """Load the weights of some of the variant's modules, by their names (`Variant.modules`)."""
        load_modules(self.folder / WEIGHTS, modules)

    def tensor(self, name: str) -> Tensor:
        """Read one tensor of the weights, `module.parameter`."""
        with safe_open(self.folder / WEIGHTS, framework="pt") as weights:
            tensor: Tensor = weights.get_tensor(name)
        return tensor
