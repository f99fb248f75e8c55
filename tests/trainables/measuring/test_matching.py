"""Points that take centres in turn: hand-made cases, a search one by one, and what holds of any points."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.measuring.matching import match_in_order, pairs_within

NOTHING = np.zeros((0, 2))


def draw(seed: int, points: int = 60, truths: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """On a grid of halves, so that many distances are equal, and many are the radius."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 20, (points, 2)) / 2, rng.integers(0, 20, (truths, 2)) / 2


@pytest.mark.parametrize("seed", range(10))
def test_points_take_what_a_search_one_by_one_gives_them(seed):
    points, truth = draw(seed)
    free, expected = list(range(len(truth))), []
    for point in points:
        nearest = min(free, key=lambda each: np.hypot(*(truth[each] - point)), default=None)
        within = nearest is not None and np.hypot(*(truth[nearest] - point)) < 1.5
        expected.append(nearest if within else -1)
        if within:
            free.remove(nearest)
    assert match_in_order(points, truth, 1.5).tolist() == expected
    assert -1 in expected
    assert len(free) < len(truth)


def test_the_first_point_takes_the_nearest_centre_and_the_second_the_next():
    truth = np.array([[0.0, 0.0], [2.0, 0.0]])
    assert match_in_order(np.array([[1.5, 0.0], [1.5, 0.0], [1.5, 0.0]]), truth, 3.0).tolist() == [1, 0, -1]


def test_a_centre_at_the_radius_is_out_of_reach():
    point, truth = np.array([[3.0, 4.0]]), np.zeros((1, 2))
    assert match_in_order(point, truth, 5.0).tolist() == [-1]
    assert match_in_order(point, truth, np.nextafter(5.0, 6)).tolist() == [0]


@pytest.mark.parametrize("seed", range(3))
def test_later_points_change_nothing_for_earlier_ones(seed):
    points, truth = draw(seed)
    every = match_in_order(points, truth, 1.5)
    for count in range(len(points)):
        np.testing.assert_array_equal(match_in_order(points[:count], truth, 1.5), every[:count])


def test_no_centre_is_taken_twice_and_a_point_goes_without_only_if_all_in_reach_are_taken():
    points, truth = draw(4)
    taken = match_in_order(points, truth, 1.5)
    assert len(set(taken[taken >= 0].tolist())) == (taken >= 0).sum()
    for place in np.flatnonzero(taken < 0):
        within = np.flatnonzero(np.hypot(*(truth - points[place]).T) < 1.5)
        assert set(within.tolist()) <= set(taken[:place].tolist())


@pytest.mark.parametrize(
    ("points", "truth"), [(NOTHING, NOTHING), (np.ones((3, 2)), NOTHING), (NOTHING, np.ones((3, 2)))]
)
def test_where_there_are_no_points_or_no_centres_nothing_is_taken(points, truth):
    assert match_in_order(points, truth, 1.0).tolist() == [-1] * len(points)


def test_near_has_all_pairs_below_the_radius_with_their_distances():
    points, truth = draw(5)
    apart = np.hypot(*(points[:, None] - truth[None]).transpose(2, 0, 1))
    found = {(int(i), int(j)): float(v) for i, j, v in zip(*pairs_within(points, truth, 2.5), strict=True)}
    assert set(found) == {(int(i), int(j)) for i, j in np.argwhere(apart < 2.5)}
    assert all(found[pair] == pytest.approx(apart[pair]) for pair in found)
    assert 0.0 in found.values()
