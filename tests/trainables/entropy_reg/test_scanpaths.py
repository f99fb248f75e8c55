"""Which fixations are scored, and what came before each."""

import numpy as np
import pytest

from trainables.entropy_reg.scanpaths import HISTORY, Fixations, scored_fixations

PATH = np.array([[1, 2], [11, 12], [21, 22], [31, 32], [41, 42], [51, 52]], np.float32)
NAN = [np.nan, np.nan]


def test_a_history_is_the_four_before_the_last_one_first_and_nan_where_there_was_none():
    scored = scored_fixations((PATH,), 100, 100, first_is_history=False)
    assert HISTORY == 4
    np.testing.assert_array_equal(scored.points, PATH)
    np.testing.assert_array_equal(scored.history[0], [NAN] * 4)
    np.testing.assert_array_equal(scored.history[1], [[1, 2], NAN, NAN, NAN])
    np.testing.assert_array_equal(scored.history[3], [[21, 22], [11, 12], [1, 2], NAN])
    np.testing.assert_array_equal(scored.history[5], [[41, 42], [31, 32], [21, 22], [11, 12]])
    assert scored.points.dtype == scored.history.dtype == np.float32


def test_a_forced_first_fixation_is_not_scored_and_stays_in_the_history():
    scored = scored_fixations((PATH,), 100, 100, first_is_history=True)
    np.testing.assert_array_equal(scored.points, PATH[1:])
    np.testing.assert_array_equal(scored.history[0], [[1, 2], NAN, NAN, NAN])
    np.testing.assert_array_equal(scored.history[1], [[11, 12], [1, 2], NAN, NAN])


def test_no_viewer_has_anothers_history():
    scored = scored_fixations((PATH[:2], PATH[3:]), 100, 100, first_is_history=False)
    np.testing.assert_array_equal(scored.history[2], [NAN] * 4)
    np.testing.assert_array_equal(scored.history[3], [[31, 32], NAN, NAN, NAN])
    assert len(scored_fixations((PATH[:2], PATH[3:]), 100, 100, first_is_history=True).points) == 1 + 2


@pytest.mark.parametrize(
    ("point", "inside"),
    [((0, 0), True), ((-0.1, 5), False), ((5, -0.1), False), ((39.9, 5), True), ((40, 5), False), ((5, 30), False)],
)
def test_a_fixation_outside_is_not_scored_but_was_looked_at(point, inside):
    path = np.array([point, (3, 3)], np.float32)
    scored = scored_fixations((path,), 40, 30, first_is_history=False)
    assert len(scored.points) == 1 + inside
    np.testing.assert_array_equal(scored.points[-1], [3, 3])
    np.testing.assert_array_equal(scored.history[-1], [path[0], NAN, NAN, NAN])


@pytest.mark.parametrize("paths", [(), (np.array([[5.0, 5.0]]),)])
def test_where_nothing_is_scored_the_arrays_are_empty_and_have_their_shapes(paths):
    scored = scored_fixations(paths, 40, 30, first_is_history=True)
    assert scored.points.shape == (0, 2)
    assert scored.history.shape == (0, 4, 2)


def test_a_choice_keeps_points_and_histories_together():
    scored = scored_fixations((PATH,), 100, 100, first_is_history=False)
    selection = scored.select(np.array([5, 1]))
    assert isinstance(selection, Fixations)
    np.testing.assert_array_equal(selection.points, PATH[[5, 1]])
    np.testing.assert_array_equal(selection.history, scored.history[[5, 1]])
