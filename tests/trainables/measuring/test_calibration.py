"""Platt scaling against logistic regression, and what must not be learnt from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from trainables.measuring.calibration import Platt, apply_platt, fit_platt, fit_platt_weighted


def maps(slope: float, offset: float, seed: int = 0, count: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    """Probabilities with truth drawn so that the given scaling calibrates them."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(-1, 2.5, (count, 150, 200))
    truth = generator.random(logits.shape) < expit(slope * logits + offset)
    return list(zip(expit(logits).astype(np.float32), truth, strict=True))


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.4, -1.5), (2.5, 1.0)])
def test_the_fit_is_that_of_logistic_regression(slope, offset):
    drawn = maps(slope, offset)
    logits = logit(np.concatenate([each.ravel() for each, _ in drawn]).astype(np.float64))
    truth = np.concatenate([each.ravel() for _, each in drawn])
    oracle = LogisticRegression(C=1e9, tol=1e-8).fit(logits[:, None], truth)
    got = fit_platt(iter(drawn))
    assert got.slope == pytest.approx(oracle.coef_[0, 0], rel=2e-3)
    assert got.offset == pytest.approx(oracle.intercept_[0], rel=2e-3, abs=2e-3)


def test_calibrated_probabilities_need_no_scaling():
    slope, offset = fit_platt(maps(1.0, 0.0))
    assert slope == pytest.approx(1, abs=0.02)
    assert offset == pytest.approx(0, abs=0.02)


def test_scaling_undoes_overconfidence():
    drawn = maps(0.3, -1.0)
    after = [(apply_platt(each, fit_platt(drawn)), truth) for each, truth in drawn]
    assert fit_platt(after) == (pytest.approx(1, abs=0.01), pytest.approx(0, abs=0.01))
    assert np.mean([each for each, _ in after]) == pytest.approx(np.mean([truth for _, truth in drawn]), abs=1e-3)


@pytest.mark.parametrize("platt", [Platt(0.3, -2.0), Platt(1.0, 0.0), Platt(5.0, 1.0)])
def test_scaling_keeps_the_order_and_stays_between_0_and_1(platt):
    probabilities = np.sort(np.random.default_rng(0).random((20, 50)).astype(np.float32), axis=None)
    probabilities[:3], probabilities[-3:] = 0, 1
    got = apply_platt(probabilities, platt)
    assert got.dtype == np.float32
    assert (np.diff(got) >= 0).all()
    assert 0 <= got[0] < got[500] < got[-1] <= 1
    np.testing.assert_allclose(got[3:-3], expit(platt.slope * logit(probabilities[3:-3]) + platt.offset), rtol=1e-4)


def test_no_scaling_leaves_probabilities_as_they_are():
    probabilities = np.random.default_rng(0).random((20, 50)).astype(np.float32)
    np.testing.assert_array_equal(apply_platt(probabilities, Platt(1.0, 0.0)), probabilities)


@pytest.mark.parametrize("only", [False, True])
def test_without_both_classes_there_is_no_scaling(only):
    assert fit_platt([(np.full((4, 4), 0.3, np.float32), np.full((4, 4), only))]) == (1.0, 0.0)
    assert fit_platt([]) == (1.0, 0.0)


def test_separate_classes_have_a_finite_scaling():
    probabilities = np.array([[0.0, 0.1, 0.2, 0.8, 0.9, 1.0]], np.float32)
    slope, offset = fit_platt([(probabilities, probabilities > 0.5)])
    assert np.isfinite([slope, offset]).all()
    assert slope > 0


def test_a_network_worse_than_chance_is_not_turned_round():
    platt = fit_platt([(1 - each, truth) for each, truth in maps(1.0, 0.0)])
    assert 0 < platt.slope < 0.01
    shares = apply_platt(np.array([0.01, 0.99], np.float32), platt)
    np.testing.assert_allclose(shares, np.mean([truth for _, truth in maps(1.0, 0.0)]), atol=0.01)


def test_weights_count_as_repetitions_do():
    generator = np.random.default_rng(3)
    logits = generator.normal(0, 2, 400)
    truth = generator.random(400) < expit(0.5 * logits - 1)
    weights = generator.integers(1, 4, 400).astype(float)
    oracle = LogisticRegression(C=1e9, tol=1e-9).fit(logits[:, None], truth, sample_weight=weights)
    got = fit_platt_weighted(expit(logits), truth, weights / 7)
    assert got.slope == pytest.approx(oracle.coef_[0, 0], rel=0.03)  # Platt's targets are not quite 0 and 1
    assert got.offset == pytest.approx(oracle.intercept_[0], rel=0.03)


@pytest.mark.parametrize("truth", [True, False])
def test_of_one_class_nothing_is_learnt_from_examples_either(truth):
    assert fit_platt_weighted(np.array([0.2, 0.7]), np.full(2, truth), np.ones(2)) == (1.0, 0.0)
