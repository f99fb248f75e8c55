"""The number of seeds that would decide a proof: against the t-test's power, and by simulating such proofs."""

import numpy as np
import pytest
from scipy import stats

from analysis.proof.bootstrap import Variances
from analysis.proof.power import MAX_SEEDS, decided_share, seeds_to_decide
from analysis.proof.statistics import best_gain, default_seed_count


def seeds(values):
    return dict(enumerate(map(float, values)))


def measured(gains, count, rng):
    """Draw results whose means and variances are exactly the true ones, without covariance between the configs."""
    size = default_seed_count(count, len(gains))
    draws = rng.normal(size=(size, len(gains) + 1))
    draws[:count] -= draws[:count].mean(axis=0)
    basis, _ = np.linalg.qr(draws[:count])
    candidates = basis[:, : len(gains)].T * np.sqrt(count - 1) + np.array(gains)[:, None]
    default = np.concatenate([basis[:, -1] * np.sqrt(count - 1), np.zeros(size - count)])
    return candidates, default / default.std(ddof=1)


def test_the_share_that_is_decided_is_the_power_of_welchs_test_where_seeds_do_not_matter():
    gain, count = 1.2, 12
    reference = stats.nct.sf(stats.t.ppf(0.975, 2 * count - 2), 2 * count - 2, gain / np.sqrt(2 / count))
    share = decided_share(Variances(1.0, 1.0, 0.0), np.array([gain]), count, 0.0, 0.95)
    assert share == pytest.approx(reference, abs=0.07)


@pytest.mark.parametrize("gains", [(0.0,), (1.0,), (0.0, 0.0, 0.0), (1.5, 0.0, 0.0), (-0.5,)])
def test_so_many_seeds_decide_about_eight_of_ten_proofs(gains):
    rng = np.random.default_rng(31)
    candidates, default = measured(gains, 6, rng)
    count = seeds_to_decide([seeds(row) for row in candidates], seeds(default))
    assert count > 6
    decided = 0
    for _ in range(300):
        values = rng.normal(size=(len(gains), count)) + np.array(gains)[:, None]
        results = seeds(rng.normal(size=default_seed_count(count, len(gains))))
        decided += best_gain([seeds(row) for row in values], results)[1].verdict != "not decided"
    assert 0.7 <= decided / 300 <= 0.93


def test_seeds_that_matter_save_seeds():
    rng = np.random.default_rng(2)
    luck = rng.normal(0, 1, 8)
    paired = seeds(luck + rng.normal(0.3, 0.2, 8)), seeds(luck + rng.normal(0, 0.2, 8))
    apart = seeds(rng.permutation(list(paired[0].values()))), paired[1]
    counts = [seeds_to_decide([first], second, smallest=0.3) for first, second in (paired, apart)]
    assert counts[1] is None or counts[0] < counts[1]


def test_a_difference_that_does_not_matter_takes_too_many_seeds():
    rng = np.random.default_rng(4)
    candidates, default = measured((0.01,), 6, rng)
    assert seeds_to_decide([seeds(candidates[0])], seeds(default), smallest=0.02) is None
    assert stats.norm.ppf(0.9) ** 2 * 2 / 0.02**2 > MAX_SEEDS
