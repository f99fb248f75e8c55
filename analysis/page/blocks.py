"""What a page is made of: sections of figures, tables, pictures, answers and commands, as plain data.

Text here is text, never HTML: the page escapes all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from analysis.questions.answer import Answer, Verdict

Shape = Literal["dot", "down", "square", "cross", "star", "diamond", "ring", "line", "dash", "dots"]


@dataclass(frozen=True)
class Key:
    """An entry of a figure's legend: what it says, how it is drawn, and which traces it switches: those of its name."""

    text: str
    shape: Shape
    color: str


@dataclass(frozen=True)
class Plot:
    """A figure.

    Attributes:
        title: the finding or the question; caption: how to read it, and what was left out.
        figure: plotly's `data` and `layout`; a colour is the name of a CSS variable. A trace with `customdata` holds
            trial numbers there, and `%{text}` in its hover template becomes what is known of that trial.
        height: pixels on the screen.
    """

    kind: ClassVar = "plot"
    title: str
    caption: str
    figure: dict[str, Any]
    height: int = 340
    legend: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Small figures side by side, with one legend and caption for all."""

    kind: ClassVar = "grid"
    title: str
    caption: str
    plots: tuple[Plot, ...]
    legend: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        numbers: columns that are aligned to the right; wide: columns that may wrap; strong: rows that stand out.
    """

    kind: ClassVar = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()
    wide: frozenset[str] = frozenset()
    strong: frozenset[int] = frozenset()
    note: str = ""


@dataclass(frozen=True)
class Answers:
    """Questions with their verdicts."""

    kind: ClassVar = "answers"
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Pictures:
    """A trial's pictures: (title, WebP as a data address) each."""

    kind: ClassVar = "pictures"
    title: str
    pictures: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Commands:
    """Commands to copy, each with what it is for."""

    kind: ClassVar = "commands"
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    kind: ClassVar = "facts"
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Note:
    """A sentence that stands out, as a verdict's or as plain news."""

    kind: ClassVar = "note"
    sentence: str
    verdict: Verdict | None = None


Block = Plot | Grid | Table | Answers | Pictures | Commands | Facts | Note


@dataclass(frozen=True)
class Section:
    """A part of the page with a title of its own; `name` is its anchor, `lead` says what it holds."""

    name: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        facts: what stands above the title; headline: the sentence below it, if any; tiles: (name, value, remark) of
            each figure that one looks for first; first: what comes before all sections, a verdict before the tiles.
        triumph: whether the first tile stands out.
        trials: trial number → what a figure shows of it when pointed at; lines are separated by a newline.
    """

    title: str
    facts: tuple[str, ...]
    headline: str
    tiles: tuple[tuple[str, str, str], ...]
    first: tuple[Block, ...]
    sections: tuple[Section, ...]
    trials: Mapping[int, str] = field(default_factory=dict)
    foot: str = ""
    triumph: bool = True
