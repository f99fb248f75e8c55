"""Local maxima and non-maximum suppression: hand-made maps, a slow and plain oracle, and what holds of any map."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from trainables.images.maxima import Picks, pick_maxima
from trainables.unet_selftrain.picking import smooth


def noise(seed: int, shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def bump(shape: tuple[int, int], x: float, y: float, sigma: float = 3.0) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))


def maxima_one_by_one(scores: np.ndarray) -> np.ndarray:
    """Find the pixels above all their neighbours, one by one: (x, y, score)."""
    canvas = np.pad(scores, 1, constant_values=-1)
    picks = []
    for row, column in np.ndindex(scores.shape):
        neighbours = canvas[row : row + 3, column : column + 3].ravel()
        if scores[row, column] > np.delete(neighbours, 4).max():
            picks.append((column, row, scores[row, column]))
    return np.array(picks)


def suppressed_one_by_one(candidates: np.ndarray, radius: float) -> np.ndarray:
    survivors: list[np.ndarray] = []
    for each in candidates[np.argsort(-candidates[:, 2], kind="stable")]:
        if all(np.hypot(*(each[:2] - other[:2])) > radius for other in survivors):
            survivors.append(each)
    return np.array(survivors)


def test_a_point_is_x_then_y_with_the_pixel_centre_at_its_index():
    scores = np.zeros((20, 30))
    scores[4, 7], scores[11, 25] = 0.5, 0.9
    picks = pick_maxima(scores, 3.0)
    assert picks.points.tolist() == [[25, 11], [7, 4]]
    assert picks.scores.tolist() == [0.9, 0.5]
    assert picks.points.dtype == picks.scores.dtype == np.float64


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("radius", [0.5, 4.0, 9.0])
def test_picks_are_those_of_a_search_one_by_one(seed, radius):
    scores = smooth(noise(seed), 1.0)
    expected = suppressed_one_by_one(maxima_one_by_one(scores), radius)
    maxima = pick_maxima(scores, 0.0)
    picks = pick_maxima(scores, radius)
    assert len(maxima.points) == len(maxima_one_by_one(scores))
    if radius < 1:  # nothing is suppressed, so the pixels themselves can be compared
        assert np.round(picks.points).tolist() == expected[:, :2].tolist()
    np.testing.assert_allclose(picks.scores, np.sort(picks.scores)[::-1])
    again = suppressed_one_by_one(np.column_stack([maxima.points, maxima.scores]), radius)
    np.testing.assert_allclose(np.column_stack([picks.points, picks.scores]), again)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("radius", [2.0, 5.0, 12.0])
def test_no_two_picks_are_close_and_all_that_was_suppressed_has_a_higher_pick_close_by(seed, radius):
    scores = noise(seed)
    maxima, picks = pick_maxima(scores, 0.0), pick_maxima(scores, radius)
    apart = cdist(picks.points, picks.points) + np.diag(np.full(len(picks.points), np.inf))
    assert apart.min() > radius
    distance = cdist(maxima.points, picks.points)
    stronger = picks.scores >= maxima.scores[:, None]
    assert ((distance <= radius) & stronger).any(axis=1).all()
    assert len(picks.points) < len(maxima.points)


def test_a_lower_maximum_is_suppressed_only_by_a_pick():
    scores = np.zeros((9, 40))
    scores[4, [5, 10, 15]] = 0.9, 0.8, 0.7  # the middle one is gone before it can suppress the right one
    assert pick_maxima(scores, 6.0).points.tolist() == [[5, 4], [15, 4]]
    assert pick_maxima(scores, 5.0).points.tolist() == [[5, 4], [15, 4]]  # at the radius itself too
    assert len(pick_maxima(scores, 4.9).points) == 3


def test_a_shoulder_is_no_maximum():
    scores = np.zeros((20, 20))
    scores[5:8, 5:15] = 0.5  # a flat shoulder of the peak at its right end
    scores[6, 15] = 0.9
    picks = pick_maxima(scores, 1.0)
    assert picks.scores.tolist() == [0.9]
    assert np.round(picks.points).tolist() == [[15, 6]]


def test_the_slope_of_a_peak_holds_no_picks():
    assert len(pick_maxima(bump((60, 60), 30, 30, sigma=10), 2.0).points) == 1


@pytest.mark.parametrize(
    ("rows", "columns"), [((5, 8), (10, 13)), ((5, 6), (10, 20)), ((4, 6), (3, 5)), ((0, 3), (0, 3))]
)
def test_a_plateau_is_one_pick_at_its_middle(rows, columns):
    scores = np.zeros((20, 30), np.float32)
    scores[slice(*rows), slice(*columns)] = 1.0
    assert pick_maxima(scores, 0.5).points.tolist() == [[(sum(columns) - 1) / 2, (sum(rows) - 1) / 2]]


def test_pixels_that_touch_at_a_corner_are_one_plateau():
    scores = np.zeros((10, 10))
    scores[3, 3] = scores[4, 4] = 0.7
    assert pick_maxima(scores, 0.5).points.tolist() == [[3.5, 3.5]]


def test_a_saturated_disc_is_one_pick_at_its_centre_also_after_smoothing():
    rows, columns = np.mgrid[:80, :90]
    disc = (np.hypot(columns - 41, rows - 37) <= 20).astype(np.float32)
    for scores in (disc, smooth(disc, 1.5), smooth(disc, 3.3)):
        picks = pick_maxima(scores, 1.0)
        np.testing.assert_allclose(picks.points, [[41, 37]], atol=1e-6)


def test_equal_peaks_go_in_reading_order():
    scores = np.zeros((20, 20))
    scores[3, 12] = scores[3, 5] = scores[9, 2] = 0.4
    assert pick_maxima(scores, 2.0).points.tolist() == [[5, 3], [12, 3], [2, 9]]
    assert pick_maxima(scores, 8.0).points.tolist() == [[5, 3]]


def test_what_does_not_exceed_the_floor_is_not_picked():
    scores = np.zeros((20, 20))
    scores[3, 3], scores[9, 9], scores[15, 15] = 0.2, 0.3, 0.4
    assert pick_maxima(scores, 2.0, floor=0.3).points.tolist() == [[15, 15]]
    assert len(pick_maxima(scores, 2.0).points) == 3


@pytest.mark.parametrize("shift", [(3, 5), (0, 9)])
def test_a_moved_map_has_moved_picks(shift):
    inner = smooth(noise(4, (30, 30)), 1.0)
    first, second = np.zeros((60, 60), np.float32), np.zeros((60, 60), np.float32)
    first[10:40, 10:40] = inner
    second[10 + shift[0] : 40 + shift[0], 10 + shift[1] : 40 + shift[1]] = inner
    before, after = pick_maxima(first, 4.0), pick_maxima(second, 4.0)
    np.testing.assert_allclose(after.points, before.points + np.array(shift[::-1]), atol=1e-9)
    np.testing.assert_array_equal(after.scores, before.scores)


def test_a_mirrored_map_has_mirrored_picks():
    scores = smooth(noise(5), 1.0)
    before, after = pick_maxima(scores, 4.0), pick_maxima(scores[:, ::-1], 4.0)
    np.testing.assert_allclose(after.points, (before.points - [49, 0]) * [-1, 1], atol=1e-9)


@pytest.mark.parametrize("centre", [(20.3, 15.0), (20.0, 15.4), (19.75, 14.6)])
def test_refinement_finds_a_centre_between_pixels(centre):
    (point,) = pick_maxima(bump((30, 40), *centre), 3.0).points
    assert np.hypot(*(point - centre)) < 0.03
    assert np.hypot(*(np.round(point) - centre)) > 0.29  # what the pixel alone gives


def test_a_particle_at_the_border_is_picked_at_the_border():
    assert pick_maxima(bump((30, 40), 0, 12), 3.0).points.tolist() == [[0, 12]]
    assert pick_maxima(bump((30, 40), 39, 29), 3.0).points.tolist() == [[39, 29]]


def test_a_map_without_anything_has_no_picks():
    picks = pick_maxima(np.zeros((20, 20), np.float32), 3.0)
    assert picks.points.shape == (0, 2)
    assert picks.scores.shape == (0,)
    assert isinstance(picks, Picks)


def test_a_constant_map_has_one_pick_in_its_middle():
    assert pick_maxima(np.full((20, 31), 0.3), 3.0).points.tolist() == [[15, 9.5]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(value):
    scores = noise(6)
    scores[3, 3] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        pick_maxima(scores, 3.0)
