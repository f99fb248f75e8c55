"""A run's page, written and read back."""

import json
import re
from html.parser import HTMLParser

import pytest

from analysis import report


def write_page(run, *more):
    """Write the page; return its text and its summary."""
    assert report.main([f"run={run}", *more]) == 0
    return (run / "report.html").read_text(), json.loads((run / "summary.json").read_text(), parse_constant=pytest.fail)


def without_plotly(page):
    """Remove plotly's own source, which the tests of the page's text are not about."""
    return re.sub(r"<script>(?:(?!</script>).){1000000,}?</script>", "", page, flags=re.S)


class Elements(HTMLParser):
    """What a browser would fetch or run, and the text of every heading."""

    def __init__(self, page):
        super().__init__()
        self.addresses, self.scripts, self.headings, self.open = [], 0, [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.scripts += tag == "script"
        self.open.append(tag)

    def handle_endtag(self, tag):
        self.open = self.open[: max(0, len(self.open) - 1)]

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)
