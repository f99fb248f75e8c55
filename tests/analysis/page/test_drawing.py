"""Elements shared by all figures: ranges, samples, text."""

import numpy as np

from analysis.page import drawing


def test_an_axis_ends_before_what_went_wrong():
    values = [*np.linspace(0.5, 0.9, 50), -1000.0]
    (low, high), outliers = drawing.axis_range(values, "max")
    assert -3 < low < 0.5 and high < 1 and outliers == 1
    (low, high), outliers = drawing.axis_range([-value for value in values], "min")
    assert high < 3 and outliers == 1
    assert drawing.axis_range([np.nan, np.inf], "max") == (None, 0)
    (low, high), _ = drawing.axis_range([0.0, 0.0], "max")
    assert low < 0 < high


def test_samples_keep_what_must_be_there_and_the_order():
    trials = list(range(1000))
    sample = drawing.sample_trials(trials, 50, {3, 777})
    assert sample == sorted(sample) and {3, 777} <= set(sample) and len(sample) <= 50
    assert drawing.sample_trials(trials[:50], 50) == trials[:50]


def test_tags_in_names_are_text():
    assert drawing.escape_text("<b>lr</b> & more") == "&lt;b&gt;lr&lt;/b&gt; &amp; more"
    assert "<" not in drawing.axis("<a href='x'>")["title"]["text"]


def test_a_column_of_numbers_has_as_many_decimals_in_each():
    assert drawing.format_column([0.8013, 0.783, np.nan]) == ["0.8013", "0.7830", "–"]
    assert drawing.format_column([12.5, 1.25]) == ["12.50", "1.25"]
    assert drawing.format_column([123456.7, 2.0]) == ["123,457", "2"]
    assert drawing.format_column([0.0, np.nan]) == ["0.000", "–"]


def test_numbers_are_short_and_gaps_are_dashes():
    assert [drawing.format_number(value) for value in (0.000052, 12345.6, 0.5, None, np.nan)] == [
        "5.2e-5",
        "12,346",
        "0.5",
        "–",
        "–",
    ]
    assert drawing.round_values([1 / 3, np.nan, np.inf, 7.0, "word", None]) == [0.333333, None, None, 7, "word", None]


def test_a_logarithmic_axis_has_ticks_in_its_range_however_short_it_is():
    for low, high in ((1e-5, 1e-1), (1e-4, 1e-2), (0.6, 2.0), (8, 64), (0.9, 1.2)):
        axis = drawing.log_axis("", low, high)
        assert all(low <= tick <= high for tick in axis["tickvals"])
        assert len(axis["tickvals"]) >= (3 if high / low > 2 else 1)
        assert [float(label) for label in axis["ticktext"]] == axis["tickvals"]
        assert axis["range"] == [np.log10(low), np.log10(high)]
