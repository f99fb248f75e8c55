"""How many objects are marked: against the definition written out, and against counts of draws."""

import math
from fractions import Fraction

import numpy as np
import pytest

from trainables.seq_attention.config import Config
from trainables.seq_attention.sampling import (
    done_odds,
    draw_done_k,
    draw_k,
    draw_location_k,
    k_distribution,
    prevalence,
)

BALANCES = ["natural", "pos_weight", "share"]
EVENLY = (np.arange(20_000) + 0.5) / 20_000


def define_k(n: int, balance: str, hardness: Fraction, p_done: Fraction) -> list[Fraction]:
    """Compute the definition, in fractions, one k at a time."""
    if n == 0:
        return [Fraction(1)]
    done = p_done if balance == "share" else Fraction(1, n + 1)
    counts_of_rows = sum(Fraction(1, 2**gap) for gap in range(n))
    near = [Fraction(1, 2 ** (n - 1 - k)) / counts_of_rows for k in range(n)]
    return [(1 - done) * (hardness * share + (1 - hardness) / n) for share in near] + [done]


@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("hardness", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 40])
def test_the_distribution_is_that_of_its_definition(balance, hardness, n):
    actual = k_distribution(n, Config(done_balance=balance, hardness=hardness, p_done=0.125))
    expected = define_k(n, balance, Fraction(hardness), Fraction(1, 8))
    np.testing.assert_allclose(actual, [float(share) for share in expected], rtol=1e-12)
    assert actual.sum() == pytest.approx(1)


def test_without_hardness_and_balance_k_is_uniform():
    np.testing.assert_allclose(k_distribution(9, Config(done_balance="natural", hardness=0)), 0.1)


def test_very_many_objects_have_a_distribution_too():
    probabilities = k_distribution(3731, Config(hardness=1.0))
    assert np.isfinite(probabilities).all()
    assert probabilities.sum() == pytest.approx(1)
    assert draw_k(np.array([3731] * 2), np.array([0.0, 1 - 1e-16]), Config(hardness=1.0))[1] == 3731


@pytest.mark.parametrize("config", [Config(), Config(hardness=0, done_balance="natural"), Config(p_done=0.99)])
def test_draws_come_as_often_as_the_distribution_says_whatever_the_neighbours_in_the_batch(config):
    counts = np.tile([0, 1, 3, 8], len(EVENLY))
    ks = draw_k(counts, np.repeat(EVENLY, 4), config)
    assert ks.dtype == np.int64
    for n in (0, 1, 3, 8):
        often = np.bincount(ks[counts == n], minlength=n + 1) / len(EVENLY)
        np.testing.assert_allclose(often, k_distribution(n, config), atol=1.1 / len(EVENLY))


def test_a_larger_uniform_never_marks_fewer_and_no_draw_leaves_its_range():
    uniforms = np.array([0.0, 1e-300, 0.3, 0.75, 0.75 + 1e-12, np.nextafter(1, 0)])
    for n in (0, 1, 2, 7, 50):
        for actual in (
            draw_k(np.full(6, n), uniforms, Config(hardness=1.0)),
            draw_location_k(np.full(6, n), uniforms),
        ):
            assert (np.diff(actual) >= 0).all()
            assert actual.min() >= 0
            assert actual.max() <= n
        assert draw_k(np.full(6, n), uniforms, Config())[-1] == n


def test_a_draw_between_two_k_is_the_upper_one_and_what_has_no_probability_is_never_drawn():
    even = Config(done_balance="natural", hardness=0)
    assert draw_k(np.array([1, 1, 3, 3]), np.array([0.5, np.nextafter(0.5, 0), 0.25, 0.5]), even).tolist() == [
        1,
        0,
        1,
        2,
    ]
    many = Config(hardness=1.0)
    (lowest,) = draw_k(np.array([3731]), np.array([0.0]), many)
    assert k_distribution(3731, many)[lowest] > 0


def test_published_draws_are_half_done_or_uniform_on_what_is_left():
    for n in (1, 4, 9):
        border = np.bincount(draw_done_k(np.full(len(EVENLY), n), EVENLY), minlength=n + 1) / len(EVENLY)
        np.testing.assert_allclose(border, [0] * (n - 1) + [0.5, 0.5])
        unmarked = np.bincount(draw_location_k(np.full(len(EVENLY), n), EVENLY), minlength=n + 1) / len(EVENLY)
        np.testing.assert_allclose(unmarked, [1 / n] * n + [0], atol=1e-4)
    no_objects = np.zeros(3, dtype=np.int64)
    for draw in (draw_done_k, draw_location_k):
        assert draw(no_objects, np.array([0.0, 0.5, 0.9])).tolist() == [0, 0, 0]
        assert draw(np.array([3]), np.array([0.2])).dtype == np.int64


@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("sampling", ["mixed", "separate"])
def test_the_odds_of_done_are_those_of_drawn_pairs_with_their_weights(balance, sampling):
    config = Config(done_balance=balance, sampling=sampling, pos_weight=7.0, p_done=0.2)
    counts = np.array([0, 1, 1, 6, 20])
    counts_of_rows, uniforms = np.repeat(counts, len(EVENLY)), np.tile(EVENLY, len(counts))
    k = draw_done_k(counts_of_rows, uniforms) if sampling == "separate" else draw_k(counts_of_rows, uniforms, config)
    done = k == counts_of_rows
    weight = 7.0 if balance == "pos_weight" else 1.0
    assert prevalence(counts, config) == pytest.approx(done.mean(), abs=1e-4)
    assert done_odds(counts, config) == pytest.approx(weight * done.sum() / (~done).sum(), rel=1e-3)


def test_a_done_pair_comes_once_in_the_mean_of_one_over_n_plus_one_not_once_in_the_mean():
    """With 1 and 41 objects, 21 on average: 26 % of the pairs, not 4.5 %."""
    natural = Config(done_balance="natural")
    assert prevalence(np.array([1, 41]), natural) == pytest.approx((1 / 2 + 1 / 42) / 2)
    assert done_odds(np.full(5, 21), natural) == pytest.approx(1 / 21)


def test_a_weight_of_n_balances_images_of_n_objects():
    assert done_odds(np.full(3, 12), Config(done_balance="pos_weight", pos_weight=12.0)) == pytest.approx(1.0)
    assert math.isclose(done_odds(np.full(3, 12), Config(done_balance="share", p_done=0.5, pos_weight=12.0)), 1.0)


def test_a_distribution_is_shared_and_cannot_be_written():
    one = k_distribution(5, Config())
    assert k_distribution(5, Config()) is one
    with pytest.raises(ValueError, match="read-only"):
        one[0] = 1
