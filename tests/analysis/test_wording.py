"""Counts as they stand in sentences."""

from analysis.wording import format_count, format_times, inflect


def test_counts_agree_with_their_nouns_and_verbs():
    assert [format_count(number, "trial") for number in (0, 1, 2, 1200)] == [
        "0 trials",
        "1 trial",
        "2 trials",
        "1,200 trials",
    ]
    assert [inflect(number, "has", "have") for number in (0, 1, 2)] == ["have", "has", "have"]
    assert [format_times(number) for number in (1, 2, 3)] == ["once", "twice", "3 times"]
