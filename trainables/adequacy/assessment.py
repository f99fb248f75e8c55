"""Assessment of a variant's splits, as a run, its page and a model card have it.

A variant's own file `adequacy.py`, which it need not have, makes it before a search begins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from trainables.contract import Split
from trainables.files import SPLITS, replace_text
from trainables.images.split import DataSplit

SomeSplit = TypeVar("SomeSplit", bound=DataSplit)

ADEQUACY = "adequacy"
"""Key of `Adequacy.as_dict` among the facts of an export."""


@dataclass(frozen=True)
class DataFinding:
    """One finding about the splits.

    Attributes:
        check: short name, the same for all data (`few images`).
        message: a sentence with the numbers and what to change.
        severe: whether a figure is not what its name says, rather than merely uncertain.
    """

    check: str
    message: str
    severe: bool = False

    @property
    def verdict(self) -> Literal["careful", "bad"]:
        """The word with which people are told."""
        return "bad" if self.severe else "careful"


@dataclass(frozen=True)
class Adequacy:
    """Assessment of the splits of a training.

    Attributes:
        lines: what each split holds, by its name.
        findings: where a figure will rest on too little.
        facts: descriptions of the splits (`DataSplit.describe`), by name.
    """

    lines: Mapping[str, str]
    findings: tuple[DataFinding, ...] = ()
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        splits: Mapping[Split, SomeSplit],
        describe: Callable[[Split, SomeSplit], str],
        check: Callable[[Split, SomeSplit, SomeSplit], Iterable[DataFinding]],
    ) -> Self:
        """Assess some splits, training among them.

        Args:
            splits: by name.
            describe: writes the line of a split.
            check: finds where the metrics of a split other than training, its second argument, rest on too little; its
                third argument is the training split.
        """
        train = splits["train"]
        return cls(
            {name: describe(name, split) for name, split in splits.items()},
            tuple(item for name, split in splits.items() if name != "train" for item in check(name, split, train)),
            {name: split.describe() for name, split in splits.items()},
        )

    def as_facts(self) -> dict[str, Any]:
        """Return the part of an export's facts; descriptions of splits stand there anyway."""
        return {ADEQUACY: {**self.as_dict(), "facts": {}}}

    def report(self) -> list[str]:
        """Write the lines and the findings as a terminal shows them."""
        lines = [f"  {split:<6} {line}" for split, line in self.lines.items()]
        return lines + [f"  {item.verdict}: {item.message}" for item in self.findings]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` reads them back."""
        return {
            "lines": dict(self.lines),
            "findings": [asdict(item) for item in self.findings],
            "facts": {split: dict(values) for split, values in self.facts.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Adequacy:
        """Read what `as_dict` wrote.

        Raises:
            KeyError, TypeError: it is something else.
        """
        findings = tuple(DataFinding(item["check"], item["message"], item["severe"]) for item in values["findings"])
        return cls(dict(values["lines"]), findings, dict(values["facts"]))

    def write(self, folder: Path) -> None:
        """Write `splits.json` into a run's folder."""
        replace_text(folder / SPLITS, json.dumps(self.as_dict(), indent=2, ensure_ascii=False))

    @classmethod
    def read(cls, folder: Path) -> Adequacy | None:
        """Read `splits.json` of a run's folder; None where there is none.

        Raises:
            ValueError: it is damaged.
        """
        try:
            return cls.from_dict(json.loads((folder / SPLITS).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError) as error:
            raise ValueError(f"{SPLITS} lacks what it should hold") from error
