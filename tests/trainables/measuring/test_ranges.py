"""Ranges of metrics: those that variants report lie within them, and names that mean something else have none."""

import math

import pytest

from trainables.measuring.ranges import UNBOUNDED, metric_range


@pytest.mark.parametrize(
    ("metric", "low", "high"),
    [
        ("val/auroc_macro", 0, 1),
        ("test/accuracy_balanced_maskfree", 0, 1),
        ("val/particle_ap_half_radius", 0, 1),
        ("val/rollout_f1", 0, 1),
        ("val/necessity_gap", -math.inf, math.inf),
        ("val/pixel_error_median_px", 0, math.inf),
        ("health/coverage_error", 0, math.inf),
        ("val/nll_bits", 0, math.inf),
        ("val/information_gain_bits", -math.inf, math.inf),
        ("val/log_likelihood_bits", -math.inf, math.inf),
        ("val/cc", -1, 1),
        ("val/score", -math.inf, math.inf),
    ],
)
def test_a_metric_has_the_range_that_its_name_says(metric, low, high):
    assert metric_range(metric) == (low, high)


def test_a_value_outside_shows_that_the_name_means_something_else():
    assert metric_range("val/accuracy", [0.2, 1.0]).width == 1
    assert metric_range("val/accuracy", [87.5, 91.0]) == UNBOUNDED  # percent
