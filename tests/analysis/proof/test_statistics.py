"""Intervals of repeated trainings: against Student and Welch, and by simulation against what they promise."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.proof.statistics import Gain, best_gain, default_seed_count, gain, mean_interval
from trainables.measuring.ranges import metric_range


def seeds(values):
    return dict(enumerate(map(float, values)))


def test_the_interval_of_a_mean_is_students():
    values = [0.71, 0.74, 0.69, 0.78]
    reference = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    interval = mean_interval(values, 0.9)
    assert (interval.value, interval.low, interval.high) == pytest.approx((np.mean(values), *reference))
    assert math.isnan(mean_interval([0.5]).low)


def test_the_gain_of_one_over_another_is_near_welchs_where_seeds_do_not_matter():
    rng = np.random.default_rng(0)
    first, second = rng.normal(1, 1, 40), rng.normal(0, 2, 40)
    reference = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    interval = gain(seeds(first), seeds(second))
    assert interval.value == pytest.approx(first.mean() - second.mean())
    assert (interval.low, interval.high) == pytest.approx(reference, abs=0.1)


def test_seeds_that_matter_are_paired_away():
    rng = np.random.default_rng(1)
    luck = rng.normal(0, 10, 40)
    first, second = luck + rng.normal(1, 1, 40), luck + rng.normal(0, 1, 40)
    reference = stats.ttest_rel(first, second).confidence_interval()
    interval = gain(seeds(first), seeds(second))
    assert interval.high - interval.low == pytest.approx(reference.high - reference.low, rel=0.35)
    assert interval.high - interval.low < 0.3 * np.diff(stats.ttest_ind(first, second).confidence_interval())[0]


def test_further_seeds_of_the_default_narrow_the_interval():
    rng = np.random.default_rng(2)

    def width(default):
        draws = [gain(seeds(rng.normal(1, 1, 5)), seeds(rng.normal(0, 1, default))) for _ in range(60)]
        return np.median([result.high - result.low for result in draws])

    assert width(40) < 0.85 * width(5)


def test_the_winner_is_the_candidate_with_the_best_mean_over_the_seeds_that_all_have():
    default = seeds([0, 0.1, 0])
    assert best_gain([seeds([1, 2, 1]), seeds([2, 2.5, 2])], default)[0] == 1
    third_only_by_one_seed = {**seeds([1, 1, 1]), 99: 50.0}  # a seed that nobody shares counts for nobody
    assert best_gain([third_only_by_one_seed, seeds([2, 2.5, 2])], default)[0] == 1


def test_one_seed_gives_no_interval_and_no_claim():
    winner, interval = best_gain([{7: 1.0}, {7: 5.0}], {7: 0.0})
    assert (winner, interval.value) == (1, 5.0)
    assert math.isnan(interval.low)
    assert interval.verdict == "not known"
    assert interval.as_dict()["low"] is None
    winner, interval = best_gain([{7: 1.0}], {8: 0.0})  # none in common
    assert (winner, interval.value) == (0, 1.0)
    assert math.isnan(interval.high)


def test_results_without_any_scatter_are_taken_at_their_word():
    interval = gain(seeds([2, 2, 2]), seeds([1, 1, 1]))
    assert (interval.value, interval.low, interval.high) == (1, 1, 1)
    assert gain(seeds([1, 1, 1]), seeds([1, 1, 1])).verdict == "no better"


def test_verdicts():
    assert Gain(1, 0.1, 2).verdict == "better"
    assert Gain(0.1, -0.18, 0.23).verdict == "not decided"  # zero inside alone shows nothing
    assert Gain(0.1, -0.18, 0.23, smallest=0.2).verdict == "not decided"
    assert Gain(0.1, -0.18, 0.23, smallest=0.25).verdict == "no better"
    assert Gain(1, 0.1, 2, smallest=5).verdict == "better"
    assert Gain(-1, -2, -0.1).verdict == "worse"


def test_the_same_results_give_the_same_interval():
    first, second = seeds([1, 3, 2]), seeds([0, 1, 0])
    assert gain(first, second) == gain(first, second)


@pytest.mark.parametrize(("count", "candidates", "reference"), [(5, 1, 5), (5, 3, 9), (5, 4, 10), (3, 2, 5)])
def test_the_default_gets_dunnetts_share(count, candidates, reference):
    assert default_seed_count(count, candidates) == reference


@pytest.mark.parametrize("unsteady", [None, "default", "candidate", "alike"])
def test_equal_configs_are_called_better_in_at_most_five_percent_of_repeats(unsteady):
    assert claim_rate(gains=(0, 0, 0), unsteady=unsteady, repeats=400 if unsteady else 1000) <= 0.05


@pytest.mark.parametrize(("gains", "repeats"), [((2, 0, 0), 1000), ((2, 2, 2), 400)])
def test_a_gain_of_two_standard_deviations_is_found_in_at_least_eighty_percent(gains, repeats):
    assert claim_rate(gains=gains, repeats=repeats) >= 0.8


def claim_rate(gains, unsteady=None, repeats=1000):
    """Return how often the best of three candidates is called better, with 5 seeds each as retrain has them."""
    rng = np.random.default_rng(11)
    count = 0
    for _ in range(repeats):
        candidates = rng.normal(size=(3, 5))
        default = rng.normal(size=default_seed_count(5, 3))
        if unsteady == "default":
            default *= 3
        if unsteady == "candidate":
            candidates[0] *= 3
        if unsteady == "alike":  # a seed does the same to all candidates, and nothing to the default
            candidates = np.sqrt(0.9) * rng.normal(size=5) + np.sqrt(0.1) * candidates
        candidates += np.array(gains)[:, None]
        count += best_gain([seeds(result) for result in candidates], seeds(default))[1].verdict == "better"
    return count / repeats


# -- the range of a metric ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[0.99, 1.0, 0.9], [0.0, 0.02, 0.0], [0.1, 0.9, 0.5]])
def test_no_interval_of_a_mean_leaves_the_range_of_its_metric(values):
    free, cut = mean_interval(values), mean_interval(values, bounds=metric_range("val/particle_ap", values))
    assert (cut.low, cut.high) == (max(free.low, 0), min(free.high, 1))
    assert 0 <= cut.low <= cut.value <= cut.high <= 1
    assert math.isnan(mean_interval(values[:1], bounds=metric_range("val/f1")).low)


def test_no_interval_of_a_gain_is_wider_than_the_range_of_its_metric():
    first, second = seeds([0.2, 0.99]), seeds([0.9, 0.02])
    free, cut = gain(first, second), gain(first, second, width=1.0)
    assert free.low < -1 and free.high > 1
    assert (cut.low, cut.high, cut.value) == (-1, 1, free.value)


def test_cutting_at_the_range_leaves_the_coverage_as_it_is():
    rng = np.random.default_rng(5)
    bounds, mean = metric_range("val/auroc"), 0.95
    free = cut = 0
    for _ in range(2000):
        values = rng.normal(mean, 0.015, 3)
        for limits in (None, bounds):
            interval = mean_interval(values) if limits is None else mean_interval(values, bounds=limits)
            covers = interval.low <= mean <= interval.high
            free, cut = (free + covers, cut) if limits is None else (free, cut + covers)
    assert cut == free
    assert cut / 2000 == pytest.approx(0.95, abs=0.015)


# -- no better ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("candidates", "count"), [(1, 3), (1, 10), (1, 25), (3, 5), (3, 25)])
@pytest.mark.parametrize("by_seed", [0.0, 0.7])
def test_no_better_is_said_of_a_gain_of_one_standard_deviation_in_at_most_three_percent(candidates, count, by_seed):
    rng = np.random.default_rng(23)
    wrong = 0
    for _ in range(500):
        luck = np.sqrt(by_seed) * rng.normal(size=default_seed_count(count, candidates))
        default = np.sqrt(1 - by_seed) * rng.normal(size=len(luck)) + luck
        values = np.sqrt(1 - by_seed) * rng.normal(size=(candidates, count)) + luck[:count]
        values[0] += 1.0
        wrong += best_gain([seeds(row) for row in values], seeds(default))[1].verdict in ("no better", "worse")
    assert wrong / 500 <= 0.03
