"""A page as one self-contained HTML file: no server, no network, no other file.

`page.html.j2` is its template, `page.css` its style, light and dark, `page.js` draws the figures with plotly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from analysis.page.blocks import Block, Grid, Page, Plot

PAGE_FOLDER = Path(__file__).parent
WORD_PATTERN = r"""(?:'[\w./~-]+=[^']*'|[\w./~-]+=(?:'[^']*'|"[^"]*"|[^\s;'"])+)"""  # name=value, quoted or not
COMMAND_PATTERN = re.compile(rf"(python -m \w+(?:\.\w+)*(?: {WORD_PATTERN})*)")
VERDICT_LABELS = {"good": "Good", "careful": "Careful", "bad": "Bad", "unknown": "Not known"}


def render(page: Page) -> str:
    """Render the page as HTML; all of its text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(PAGE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"mark_commands": mark_commands, "insert_breaks": insert_breaks}
    plots = list(list_plots(page))
    indices = {id(plot): index for index, plot in enumerate(plots)}
    return environment.get_template("page.html.j2").render(
        page=page,
        index=lambda plot: indices[id(plot)],
        figures=encode_json([plot.figure for plot in plots]),
        trials=encode_json(page.trials),
        verdict_labels=VERDICT_LABELS,
        css=Markup((PAGE_FOLDER / "page.css").read_text(encoding="utf-8")),
        script=Markup((PAGE_FOLDER / "page.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs() if plots else ""),
    )


def mark_commands(sentence: str) -> Markup:
    """Escape a sentence and mark its commands as code."""
    parts = COMMAND_PATTERN.split(sentence)  # words, command, words, command, …
    pieces = (Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts))
    return Markup("").join(pieces)


def insert_breaks(name: str) -> Markup:
    """Escape a name and allow a line break after an underscore or a slash."""
    return Markup(re.sub("([_/])", r"\1<wbr>", str(escape(name))))


def list_plots(page: Page) -> Iterator[Plot]:
    """List all figures of a page, in their order."""
    blocks: list[Block] = [*page.opening, *(block for section in page.sections for block in section.blocks)]
    for block in blocks:
        if isinstance(block, Plot):
            yield block
        elif isinstance(block, Grid):
            yield from block.plots


def list_trials(page: Page) -> set[int]:
    """List the trials that appear in any figure."""
    return {
        trial
        for plot in list_plots(page)
        for trace in plot.figure["data"]
        for trial in trace.get("customdata", ())
        if trial >= 0
    }


def encode_json(value: Any) -> Markup:
    """Encode a value as JSON that cannot end the script element around it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
