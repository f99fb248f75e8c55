"""Intervals of repeated trainings: against Student and Welch, and by simulation against what they promise."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.proof.statistics import Interval, best_gain, default_repeats, gain, mean_interval


def seeds(values):
    return dict(enumerate(map(float, values)))


def test_the_interval_of_a_mean_is_students():
    values = [0.71, 0.74, 0.69, 0.78]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = mean_interval(values, 0.9)
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), *expected))
    assert math.isnan(mean_interval([0.5]).low)


def test_the_gain_of_one_over_another_is_near_welchs_where_seeds_do_not_matter():
    rng = np.random.default_rng(0)
    one, other = rng.normal(1, 1, 40), rng.normal(0, 2, 40)
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    found = gain(seeds(one), seeds(other))
    assert found.value == pytest.approx(one.mean() - other.mean())
    assert (found.low, found.high) == pytest.approx(expected, abs=0.1)


def test_seeds_that_matter_are_paired_away():
    rng = np.random.default_rng(1)
    luck = rng.normal(0, 10, 40)
    one, other = luck + rng.normal(1, 1, 40), luck + rng.normal(0, 1, 40)
    expected = stats.ttest_rel(one, other).confidence_interval()
    found = gain(seeds(one), seeds(other))
    assert found.high - found.low == pytest.approx(expected.high - expected.low, rel=0.35)
    assert found.high - found.low < 0.3 * np.diff(stats.ttest_ind(one, other).confidence_interval())[0]


def test_further_seeds_of_the_default_narrow_the_interval():
    rng = np.random.default_rng(2)

    def width(default):
        draws = [gain(seeds(rng.normal(1, 1, 5)), seeds(rng.normal(0, 1, default))) for _ in range(60)]
        return np.median([each.high - each.low for each in draws])

    assert width(40) < 0.85 * width(5)


def test_the_winner_is_the_candidate_with_the_best_mean_over_the_seeds_that_all_have():
    default = seeds([0, 0.1, 0])
    assert best_gain([seeds([1, 2, 1]), seeds([2, 2.5, 2])], default)[0] == 1
    third_only_by_one_seed = {**seeds([1, 1, 1]), 99: 50.0}  # a seed that nobody shares counts for nobody
    assert best_gain([third_only_by_one_seed, seeds([2, 2.5, 2])], default)[0] == 1


def test_one_seed_gives_no_interval_and_no_claim():
    winner, found = best_gain([{7: 1.0}, {7: 5.0}], {7: 0.0})
    assert (winner, found.value) == (1, 5.0)
    assert math.isnan(found.low)
    assert found.verdict == "not known"
    assert found.as_dict()["low"] is None
    winner, found = best_gain([{7: 1.0}], {8: 0.0})  # none in common
    assert (winner, found.value) == (0, 1.0)
    assert math.isnan(found.high)


def test_results_without_any_scatter_are_taken_at_their_word():
    found = gain(seeds([2, 2, 2]), seeds([1, 1, 1]))
    assert (found.value, found.low, found.high) == (1, 1, 1)
    assert gain(seeds([1, 1, 1]), seeds([1, 1, 1])).verdict == "no better"


def test_verdicts():
    assert Interval(1, 0.1, 2).verdict == "better"
    assert Interval(1, -0.1, 2).verdict == "no better"
    assert Interval(-1, -2, -0.1).verdict == "worse"


def test_the_same_results_give_the_same_interval():
    one, other = seeds([1, 3, 2]), seeds([0, 1, 0])
    assert gain(one, other) == gain(one, other)


@pytest.mark.parametrize(("count", "candidates", "expected"), [(5, 1, 5), (5, 3, 9), (5, 4, 10), (3, 2, 5)])
def test_the_default_gets_dunnetts_share(count, candidates, expected):
    assert default_repeats(count, candidates) == expected


@pytest.mark.parametrize("unsteady", [None, "default", "candidate", "alike"])
def test_equal_configs_are_called_better_in_at_most_five_percent_of_repeats(unsteady):
    assert claimed(gains=(0, 0, 0), unsteady=unsteady, repeats=400 if unsteady else 1000) <= 0.05


@pytest.mark.parametrize(("gains", "repeats"), [((2, 0, 0), 1000), ((2, 2, 2), 400)])
def test_a_gain_of_two_standard_deviations_is_found_in_at_least_eighty_percent(gains, repeats):
    assert claimed(gains=gains, repeats=repeats) >= 0.8


def claimed(gains, unsteady=None, repeats=1000):
    """The share of repeats in which the best of three candidates is said to be better: 5 seeds each, as retrain has."""
    rng = np.random.default_rng(11)
    count = 0
    for _ in range(repeats):
        candidates = rng.normal(size=(3, 5))
        default = rng.normal(size=default_repeats(5, 3))
        if unsteady == "default":
            default *= 3
        if unsteady == "candidate":
            candidates[0] *= 3
        if unsteady == "alike":  # a seed does the same to all candidates, and nothing to the default
            candidates = np.sqrt(0.9) * rng.normal(size=5) + np.sqrt(0.1) * candidates
        candidates += np.array(gains)[:, None]
        count += best_gain([seeds(each) for each in candidates], seeds(default))[1].verdict == "better"
    return count / repeats
