"""What all figures share: ranges, samples, text."""

import numpy as np

from analysis.page import drawing


def test_an_axis_ends_before_what_went_wrong():
    values = [*np.linspace(0.5, 0.9, 50), -1000.0]
    (low, high), beyond = drawing.view(values, "max")
    assert -3 < low < 0.5 and high < 1 and beyond == 1
    (low, high), beyond = drawing.view([-each for each in values], "min")
    assert high < 3 and beyond == 1
    assert drawing.view([np.nan, np.inf], "max") == (None, 0)
    (low, high), _ = drawing.view([0.0, 0.0], "max")
    assert low < 0 < high


def test_samples_keep_what_must_be_there_and_the_order():
    trials = list(range(1000))
    kept = drawing.sampled(trials, 50, {3, 777})
    assert kept == sorted(kept) and {3, 777} <= set(kept) and len(kept) <= 50
    assert drawing.sampled(trials[:50], 50) == trials[:50]


def test_tags_in_names_are_text():
    assert drawing.text("<b>lr</b> & more") == "&lt;b&gt;lr&lt;/b&gt; &amp; more"
    assert "<" not in drawing.axis("<a href='x'>")["title"]["text"]


def test_a_column_of_numbers_has_as_many_decimals_in_each():
    assert drawing.aligned([0.8013, 0.783, np.nan]) == ["0.8013", "0.7830", "–"]
    assert drawing.aligned([12.5, 1.25]) == ["12.50", "1.25"]
    assert drawing.aligned([123456.7, 2.0]) == ["123,457", "2"]
    assert drawing.aligned([0.0, np.nan]) == ["0.000", "–"]


def test_numbers_are_short_and_gaps_are_dashes():
    assert [drawing.number(each) for each in (0.000052, 12345.6, 0.5, None, np.nan)] == [
        "5.2e-5",
        "12,346",
        "0.5",
        "–",
        "–",
    ]
    assert drawing.rounded([1 / 3, np.nan, np.inf, 7.0, "word", None]) == [0.333333, None, None, 7, "word", None]


def test_a_logarithmic_axis_has_ticks_in_its_range_however_short_it_is():
    for low, high in ((1e-5, 1e-1), (1e-4, 1e-2), (0.6, 2.0), (8, 64), (0.9, 1.2)):
        axis = drawing.log_axis("", low, high)
        assert all(low <= tick <= high for tick in axis["tickvals"])
        assert len(axis["tickvals"]) >= (3 if high / low > 2 else 1)
        assert [float(label) for label in axis["ticktext"]] == axis["tickvals"]
        assert axis["range"] == [np.log10(low), np.log10(high)]
