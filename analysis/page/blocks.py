"""The parts of a page as plain data: sections of figures, tables, panels, answers and commands.

Text here is text, never HTML: the page escapes all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from analysis.questions.answer import Answer, Verdict

Shape = Literal["dot", "down", "square", "cross", "star", "diamond", "ring", "line", "dash", "dots"]


@dataclass(frozen=True)
class LegendKey:
    """An entry of a figure's legend, which switches the traces of its name: text, shape and colour."""

    text: str
    shape: Shape
    color: str


@dataclass(frozen=True)
class Plot:
    """A figure.

    Attributes:
        title: the finding or the question; caption: how to read it, and what was omitted.
        figure: plotly's `data` and `layout`; a colour is the name of a CSS variable. A trace with `customdata` holds
            trial numbers there, and `%{text}` in its hover template becomes the text of that trial.
        height: pixels on the screen.
    """

    kind: ClassVar = "plot"
    title: str
    caption: str
    figure: dict[str, Any]
    height: int = 340
    legend: tuple[LegendKey, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Small figures side by side, with one legend and caption for all."""

    kind: ClassVar = "grid"
    title: str
    caption: str
    plots: tuple[Plot, ...]
    legend: tuple[LegendKey, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        numeric_columns: aligned to the right; wide_columns: may wrap; bold_rows: indices of rows that stand out.
    """

    kind: ClassVar = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric_columns: frozenset[str] = frozenset()
    wide_columns: frozenset[str] = frozenset()
    bold_rows: frozenset[int] = frozenset()
    note: str = ""


@dataclass(frozen=True)
class Answers:
    """Questions with their verdicts."""

    kind: ClassVar = "answers"
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Panels:
    """A trial's panels: (title, WebP as a data URL) each."""

    kind: ClassVar = "panels"
    title: str
    panels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Commands:
    """Commands to copy, as (purpose, command)."""

    kind: ClassVar = "commands"
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    kind: ClassVar = "facts"
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Note:
    """A sentence that stands out, with or without a verdict."""

    kind: ClassVar = "note"
    sentence: str
    verdict: Verdict | None = None


Block = Plot | Grid | Table | Answers | Panels | Commands | Facts | Note


@dataclass(frozen=True)
class Section:
    """A part of the page with a title; `name` is its anchor, `lead` introduces it."""

    name: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        facts: words above the title; headline: the sentence below it, if any; tiles: (name, value, remark) of the key
            figures; opening: blocks before all sections, a verdict even before the tiles.
        is_success: whether the first tile stands out.
        trials: trial number → the text that a figure shows when one points at that trial, lines separated by a newline.
    """

    title: str
    facts: tuple[str, ...]
    headline: str
    tiles: tuple[tuple[str, str, str], ...]
    opening: tuple[Block, ...]
    sections: tuple[Section, ...]
    trials: Mapping[int, str] = field(default_factory=dict)
    footer: str = ""
    is_success: bool = True
