"""Which fixations are scored, and what came before each."""

import numpy as np
import pytest

from trainables.entropy_reg.scanpaths import HISTORY, Fixations, fixations

PATH = np.array([[1, 2], [11, 12], [21, 22], [31, 32], [41, 42], [51, 52]], np.float32)
NAN = [np.nan, np.nan]


def test_a_history_is_the_four_before_the_last_one_first_and_nan_where_there_was_none():
    found = fixations((PATH,), 100, 100, forced=False)
    assert HISTORY == 4
    np.testing.assert_array_equal(found.points, PATH)
    np.testing.assert_array_equal(found.history[0], [NAN] * 4)
    np.testing.assert_array_equal(found.history[1], [[1, 2], NAN, NAN, NAN])
    np.testing.assert_array_equal(found.history[3], [[21, 22], [11, 12], [1, 2], NAN])
    np.testing.assert_array_equal(found.history[5], [[41, 42], [31, 32], [21, 22], [11, 12]])
    assert found.points.dtype == found.history.dtype == np.float32


def test_a_forced_first_fixation_is_not_scored_and_stays_in_the_history():
    found = fixations((PATH,), 100, 100, forced=True)
    np.testing.assert_array_equal(found.points, PATH[1:])
    np.testing.assert_array_equal(found.history[0], [[1, 2], NAN, NAN, NAN])
    np.testing.assert_array_equal(found.history[1], [[11, 12], [1, 2], NAN, NAN])


def test_no_viewer_has_anothers_history():
    found = fixations((PATH[:2], PATH[3:]), 100, 100, forced=False)
    np.testing.assert_array_equal(found.history[2], [NAN] * 4)
    np.testing.assert_array_equal(found.history[3], [[31, 32], NAN, NAN, NAN])
    assert len(fixations((PATH[:2], PATH[3:]), 100, 100, forced=True).points) == 1 + 2


@pytest.mark.parametrize(
    ("point", "inside"),
    [((0, 0), True), ((-0.1, 5), False), ((5, -0.1), False), ((39.9, 5), True), ((40, 5), False), ((5, 30), False)],
)
def test_a_fixation_outside_is_not_scored_but_was_looked_at(point, inside):
    path = np.array([point, (3, 3)], np.float32)
    found = fixations((path,), 40, 30, forced=False)
    assert len(found.points) == 1 + inside
    np.testing.assert_array_equal(found.points[-1], [3, 3])
    np.testing.assert_array_equal(found.history[-1], [path[0], NAN, NAN, NAN])


@pytest.mark.parametrize("paths", [(), (np.array([[5.0, 5.0]]),)])
def test_where_nothing_is_scored_the_arrays_are_empty_and_have_their_shapes(paths):
    found = fixations(paths, 40, 30, forced=True)
    assert found.points.shape == (0, 2)
    assert found.history.shape == (0, 4, 2)


def test_a_choice_keeps_points_and_histories_together():
    found = fixations((PATH,), 100, 100, forced=False)
    some = found.select(np.array([5, 1]))
    assert isinstance(some, Fixations)
    np.testing.assert_array_equal(some.points, PATH[[5, 1]])
    np.testing.assert_array_equal(some.history, found.history[[5, 1]])
