"""Widths of intervals against simulations and scipy."""

import numpy as np
import pytest
from scipy import stats

from trainables.measuring import intervals


@pytest.mark.parametrize(("positives", "negatives"), [(1, 40), (3, 12), (25, 25)])
def test_the_error_of_an_auroc_is_the_deviation_over_samples_of_its_model(positives, negatives):
    rng, auroc = np.random.default_rng(0), 0.8
    scores = rng.exponential(auroc / (1 - auroc), (20_000, positives, 1))  # P(positive > negative) = 0.8
    rivals = rng.exponential(1.0, (20_000, 1, negatives))
    areas = (scores > rivals).mean(axis=(1, 2))
    assert areas.mean() == pytest.approx(auroc, abs=0.005)
    assert intervals.auroc_error(positives, negatives, auroc) == pytest.approx(areas.std(), rel=0.03)


def test_a_mean_over_classes_has_the_width_of_independent_estimates():
    alone = intervals.macro_auroc_half_width([7], [20], 0.8)
    assert alone == pytest.approx(stats.norm.ppf(0.975) * intervals.auroc_error(7, 20, 0.8))
    assert intervals.macro_auroc_half_width([7] * 4, [20] * 4, 0.8) == pytest.approx(alone / 2)
    rng = np.random.default_rng(1)
    means = np.mean([rng.binomial(count, 0.8, 50_000) / count for count in (3, 10, 40)], axis=0)
    assert intervals.macro_recall_half_width([3, 10, 40], 0.8) == pytest.approx(1.96 * means.std(), rel=0.02)


@pytest.mark.parametrize("count", [2, 3, 8, 60])
def test_the_width_of_a_mean_is_that_of_student_s_interval(count):
    values = np.random.default_rng(count).normal(size=count)
    low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    assert intervals.mean_half_width(count) * values.std(ddof=1) == pytest.approx((high - low) / 2)


def test_one_value_has_no_interval_and_the_least_count_is_the_first_that_is_narrow_enough():
    assert intervals.mean_half_width(1) == float("inf")
    for width in (0.3, 0.5, 1.0, 3.0):
        least = intervals.least_count(width)
        assert intervals.mean_half_width(least) <= width < intervals.mean_half_width(least - 1)
