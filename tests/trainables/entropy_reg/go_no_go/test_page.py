"""The page of a go/no-go: one file, in words too, with a point for every image and a ring for every seed."""

import re
from html.parser import HTMLParser

import pytest

from tests.support.fake_gaze import IMAGES, record, run
from trainables.entropy_reg.go_no_go.drawings import Axis
from trainables.entropy_reg.go_no_go.page import render


class Outline(HTMLParser):
    """The elements of a page with their attributes; it fails where one is not closed."""

    VOID = ("meta", "img", "br", "line", "circle", "rect")

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page(config):
    """Run a go/no-go; its page."""
    run(config)
    return (config.parent / "go_no_go" / "go_no_go.html").read_text()


def outline(page):
    """Parse a page and see that every element is closed."""
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_the_page_needs_nothing_else(page):
    tags = outline(page)
    assert "script" not in tags.tags
    assert "link" not in tags.tags
    assert not re.search(r"https?:|url\(|@import", page)
    assert all(
        attributes["src"].startswith("data:image/png;base64,") for tag, attributes in tags.attributes if tag == "img"
    )


def test_every_picture_of_the_page_is_said_in_words(page):
    named = outline(page).attributes
    pictures = [attributes["alt"] for tag, attributes in named if tag == "img"]
    drawings = [attributes["aria-label"] for tag, attributes in named if tag == "svg"]
    assert len(pictures) == 4
    assert "density from −2.700 to +0.885 bit" in pictures[0]  # log2(1 / 78 · 12), log2(12 / 78 · 12)
    assert len(drawings) == 6
    assert "Uniform colour, held out: twin 0.500 bit, regularised 0.100 bit" in drawings[1]
    assert "Out of domain, uniform centre bias +0.050 bit" in drawings[0]


def test_every_image_is_a_point_and_every_seed_a_ring(page):
    classes = [attributes.get("class") for tag, attributes in outline(page).attributes if tag == "circle"]
    assert classes.count("point") == 4 * IMAGES
    assert classes.count("dot") == 3 * (4 + 2 * 2)  # places; kinds of both arms


def test_text_from_outside_is_escaped(config):
    run(config)
    values = record(config) | {"reason": "<script>alert(1)</script>"}
    assert "<script>" not in render(values, {})


def test_an_axis_puts_round_values_where_they_belong():
    axis = Axis(-0.13, 0.31, 0, 440)
    assert axis.ticks == [(30.0, "−0.1"), (130.0, "0.0"), (230.0, "0.1"), (330.0, "0.2"), (430.0, "0.3")]
    assert Axis(0, 8, 0, 80).ticks == [(0.0, "0"), (20.0, "2"), (40.0, "4"), (60.0, "6"), (80.0, "8")]
