"""Costs on the page of a comparison."""

import pytest

from analysis.page.comparison import format_cost


@pytest.mark.parametrize(
    ("cost", "kind", "text"),
    [
        (1.0, "epochs", "1 epoch"),
        (1200.0, "epochs", "1,200 epochs"),
        (40.0, "seconds", "40 s"),
        (90.0, "seconds", "1.5 min"),
        (5400.0, "seconds", "1.5 h"),
    ],
)
def test_a_cost_has_its_unit(cost, kind, text):
    assert format_cost(cost, kind) == text
