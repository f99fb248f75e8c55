"""The page itself: whatever stands on it is text, and its data cannot break out of their element."""

import json

import numpy as np
import pandas as pd

from analysis.page.blocks import Note, Page, Section, Table
from analysis.page.render import PAGE_FOLDER, encode_json, mark_commands, render
from analysis.summary import as_json

EVIL = '<script>alert(1)</script> & "quoted" </script>'


def test_whatever_stands_on_a_page_is_text():
    page = Page(
        EVIL, (EVIL,), EVIL, ((EVIL, EVIL, EVIL),), (Note(EVIL),), (Section("s", EVIL, (Note(EVIL, "bad"),), EVIL),)
    )
    html = render(page)
    assert "<script>alert" not in html and html.count("&lt;script&gt;alert(1)") >= 9
    assert encode_json({"a": EVIL, "b": "\u2028"}).count("<") == 0
    assert json.loads(encode_json({"a": EVIL})) == {"a": EVIL}
    sentence = mark_commands("<b> Go on: python -m search.run resume=runs/a params.lr=[1,2]. Or not")
    assert sentence == "&lt;b&gt; Go on: <code>python -m search.run resume=runs/a params.lr=[1,2].</code> Or not"
    assert mark_commands("With python -m analysis.retrain.") == "With <code>python -m analysis.retrain</code>."


def test_only_wide_sheets_are_printed_small():
    for columns, name in ((6, "sheet"), (14, "sheet many")):
        cells = tuple(f"c{index}" for index in range(columns))
        page = Page("t", (), "", (), (), (Section("s", "s", (Table(cells, (cells,)),)),))
        assert f'<table class="{name}">' in render(page)
    css = (PAGE_FOLDER / "page.css").read_text()
    assert ".many { font-size" in css and ".sheet { font-size" not in css


def test_what_is_not_finite_is_null():
    values = {"a": float("nan"), "b": [np.float64("inf"), np.int64(3), pd.NA], 4: (np.bool_(True), np.array([1.5]))}
    assert as_json(values) == {"a": None, "b": [None, 3, None], "4": [True, [1.5]]}
