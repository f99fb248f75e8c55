"""A page as one HTML file that needs nothing else: no server, no network, no other file.

`page.html.j2` is its skeleton, `page.css` its looks, light and dark, `page.js` draws the figures with plotly.
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

HERE = Path(__file__).parent
WORD = r"""(?:'[\w./~-]+=[^']*'|[\w./~-]+=(?:'[^']*'|"[^"]*"|[^\s;'"])+)"""  # name=value, quoted or not
COMMAND = re.compile(rf"(python -m [\w.]+(?: {WORD})*)")
WORDS = {"good": "Good", "careful": "Careful", "bad": "Bad", "unknown": "Not known"}


def render(page: Page) -> str:
    """The page's HTML; whatever text is in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"with_commands": with_commands, "breakable": breakable}
    plots = list(plots_of(page))
    places = {id(plot): place for place, plot in enumerate(plots)}
    return environment.get_template("page.html.j2").render(
        page=page,
        place=lambda plot: places[id(plot)],
        figures=for_script([plot.figure for plot in plots]),
        trials=for_script(page.trials),
        words=WORDS,
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs() if plots else ""),
    )


def with_commands(sentence: str) -> Markup:
    """A sentence, escaped, whose commands stand out from its words."""
    parts = COMMAND.split(sentence)  # words, command, words, command, …
    marked = (Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
    return Markup("").join(marked)


def breakable(name: str) -> Markup:
    """A name, escaped, that may go on in the next line after an underscore or a slash."""
    return Markup(re.sub("([_/])", r"\1<wbr>", str(escape(name))))


def plots_of(page: Page) -> Iterator[Plot]:
    """All figures of a page, in their order."""
    blocks: list[Block] = [*page.first, *(block for section in page.sections for block in section.blocks)]
    for block in blocks:
        if isinstance(block, Plot):
            yield block
        elif isinstance(block, Grid):
            yield from block.plots


def trials_of(page: Page) -> set[int]:
    """The trials that are drawn in any figure."""
    return {
        trial
        for plot in plots_of(page)
        for trace in plot.figure["data"]
        for trial in trace.get("customdata", ())
        if trial >= 0
    }


def for_script(value: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it can end that element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
