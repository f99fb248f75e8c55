"""Everything that decides a training, as `config.yaml` holds it: the input of `python -m trainables.train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.base_config import DataConfig, TrainingConfig
from trainables.contract import Split
from trainables.files import read_yaml, write_yaml
from trainables.objective import Objective
from trainables.registry import Entry, load
from trainables.settings import UsageError
from trainables.trust import record_folder


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training.

    Attributes:
        config: the variant's Config, with every field; data: its Data.
    """

    entry: Entry
    config: TrainingConfig
    data: DataConfig
    objective: Objective
    seed: int

    def write(self, path: Path) -> None:
        """Write `config.yaml`."""
        values = {
            "variant": self.entry.name,
            "seed": self.seed,
            "config": self.config.as_dict(),
            "data": self.data.as_dict(),
            "objective": self.objective.as_dict(),
        }
        write_yaml(path, values)

    def describe_adequacy(self, splits: Sequence[Split] = ("train", "val")) -> dict[str, Any]:
        """Describe what the splits can judge, as part of an export's facts; empty where the variant does not assess it.

        Args:
            splits: that the variant has loaded, training among them.
        """
        adequacy = self.entry.assess(self.config, self.data, splits) if splits else None
        return adequacy.as_facts() if adequacy else {}

    @classmethod
    def read(
        cls,
        path: Path,
        config: Mapping[str, Any],
        data: Mapping[str, Any],
        seed: int | None = None,
        package: str = "",
    ) -> Recipe:
        """Read `config.yaml`, with some fields of config and data replaced.

        Args:
            path: of the file.
            config, data: fields to replace.
            seed: None: that of the file.
            package: of a variant that the caller has imported, which the file may name.

        Raises:
            UsageError: no such file, something in it or in the replacements that cannot be used, or a variant that it
                may not name.
        """
        if not path.is_file():
            raise UsageError(f"config={path} is no file; `python -m analysis.export` writes one.")
        values = read_yaml(path)
        if not {"variant", "config", "data", "objective"} <= set(values):
            raise UsageError(f"{path} is no exported config; it lacks variant, config, data or objective.")
        name = str(values["variant"])
        entry = load(name, None if name == package else record_folder(path) or path.parent)
        return cls(
            entry,
            entry.Config.from_dict({**values["config"], **config}, prefix="config."),
            entry.Data.from_dict({**values["data"], **data}, prefix="data."),
            Objective.from_dict(values["objective"]),
            int(values.get("seed", 0)) if seed is None else seed,
        )
