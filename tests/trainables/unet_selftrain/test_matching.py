"""Picks against true centres: hand-made cases, oracles that try everything, and what holds of any picks."""

from itertools import permutations

import numpy as np
import pytest

from trainables.images.maxima import Picks
from trainables.unet_selftrain.matching import (
    Score,
    average_precision,
    average_precision_by_group,
    choose_threshold,
    hits,
    match,
    score_picks,
)

NOTHING = np.zeros((0, 2))


def make_picks(*points: tuple[float, float]) -> Picks:
    """Make picks with falling scores."""
    return Picks(np.array(points, dtype=float).reshape(-1, 2), np.linspace(0.9, 0.1, len(points)))


def draw(seed: int, picks: int, truths: int, side: float = 10.0) -> tuple[Picks, np.ndarray]:
    """Make picks whose scores have many ties."""
    rng = np.random.default_rng(seed)
    scores = np.sort(np.round(rng.random(picks) * 8) / 8)[::-1]
    return Picks(rng.uniform(0, side, (picks, 2)), scores), rng.uniform(0, side, (truths, 2))


def smallest_cost(picks: np.ndarray, truth: np.ndarray, radius: float) -> float:
    """Minimise the cost over all ways to pair the fewer points with the more."""
    few, many = sorted((picks, truth), key=len)
    cost = np.minimum(((few[:, None] - many[None]) ** 2).sum(axis=2) - radius**2, 0)
    rows = np.arange(len(few))
    return min(float(cost[rows, list(chosen)].sum()) for chosen in permutations(range(len(many)), len(few)))


def f1_at(is_hit, scores, truths: int, threshold: float) -> float:
    accept = np.concatenate(scores) >= threshold
    return 2 * int(np.concatenate(is_hit)[accept].sum()) / (int(accept.sum()) + truths)


def average_precision_by_counting(is_hit, scores, truths: int) -> float:
    is_hit, scores = np.concatenate(is_hit), np.concatenate(scores)
    total, before = 0.0, 0.0
    for level in sorted(set(scores.tolist()), reverse=True):
        accept = scores >= level
        recall = int(is_hit[accept].sum()) / truths
        total += (recall - before) * float(is_hit[accept].mean())
        before = recall
    return total


def several(seed: int, radius: float = 2.0) -> tuple[list[np.ndarray], list[np.ndarray], list[int]]:
    """List hits, scores and numbers of true centres of five micrographs: one without particles, one without picks."""
    drawn = [draw(10 * seed + k, *size) for k, size in enumerate([(30, 12), (25, 0), (0, 8), (12, 20), (40, 15)])]
    is_hit = [hits(picks, truth, radius) for picks, truth in drawn]
    return is_hit, [picks.scores for picks, _ in drawn], [len(truth) for _, truth in drawn]


def test_of_two_picks_on_one_particle_the_surer_is_the_hit():
    truth = np.array([[5.0, 5.0]])
    assert hits(make_picks((6, 5), (5, 5)), truth, 3.0).tolist() == [True, False]
    matches = match(np.array([[6.0, 5.0], [5.0, 5.0]]), truth, 3.0)  # but the nearer one is matched
    assert (matches.picks.tolist(), matches.truths.tolist(), matches.distances.tolist()) == ([1], [0], [0.0])


def test_identical_picks_find_a_particle_once():
    truth = np.array([[5.0, 5.0], [20.0, 5.0]])
    assert hits(make_picks((5, 5), (5, 5), (5, 5)), truth, 3.0).tolist() == [True, False, False]
    assert len(match(np.full((3, 2), 5.0), truth, 3.0).picks) == 1


def test_one_pick_between_two_particles_finds_the_nearer_one_alone():
    picks, truth = make_picks((5, 5)), np.array([[3.0, 5.0], [6.5, 5.0]])
    assert hits(picks, truth, 3.0).tolist() == [True]
    assert match(picks.points, truth, 3.0).truths.tolist() == [1]


def test_a_second_pick_takes_the_next_particle_that_is_free():
    assert hits(make_picks((5, 5), (5.5, 5)), np.array([[5.0, 5.0], [7.0, 5.0]]), 3.0).tolist() == [True, True]


def test_in_a_chain_the_best_pairing_finds_more_than_the_greedy_one():
    # pick, particle, pick, particle in a row: the surer second pick takes the first particle, its nearest
    picks, truth = make_picks((4.5, 0), (0, 0)), np.array([[2.5, 0.0], [7.0, 0.0]])
    assert hits(picks, truth, 3.0).tolist() == [True, False]
    matches = match(picks.points, truth, 3.0)
    assert matches.picks.tolist() == [0, 1]
    assert matches.truths.tolist() == [1, 0]
    np.testing.assert_allclose(matches.distances, [2.5, 2.5])


def test_a_particle_at_the_radius_is_out_of_reach():
    picks, truth = make_picks((5, 5)), np.array([[8.0, 5.0]])
    assert hits(picks, truth, 3.0).tolist() == [False]
    assert hits(picks, truth, 3.001).tolist() == [True]
    assert len(match(picks.points, truth, 3.0).picks) == 0
    assert len(match(picks.points, truth, 3.001).picks) == 1


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize(("picks", "truths"), [(6, 6), (7, 4), (3, 7), (1, 5)])
def test_match_costs_as_little_as_the_best_of_all_pairings(seed, picks, truths):
    drawn, truth = draw(seed, picks, truths)
    radius = [1.5, 3.0, 6.0][seed % 3]
    matches = match(drawn.points, truth, radius)
    cost = float((matches.distances**2 - radius**2).sum())
    assert cost == pytest.approx(smallest_cost(drawn.points, truth, radius), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_match_pairs_one_to_one_below_the_radius_whatever_the_order(seed):
    drawn, truth = draw(seed, 60, 50)
    matches = match(drawn.points, truth, 2.0)
    assert len(set(matches.picks.tolist())) == len(set(matches.truths.tolist())) == len(matches.picks) > 10
    assert (np.diff(matches.picks) > 0).all()
    apart = np.hypot(*(drawn.points[matches.picks] - truth[matches.truths]).T)
    np.testing.assert_allclose(matches.distances, apart)
    assert (apart < 2.0).all()
    turned = match(drawn.points[::-1], truth[::-1], 2.0)
    pairs = {(59 - pick, 49 - centre) for pick, centre in zip(turned.picks, turned.truths, strict=True)}
    assert pairs == set(zip(matches.picks.tolist(), matches.truths.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_hits_do_not_depend_on_weaker_picks(seed):
    picks, truth = draw(seed, 50, 20)
    every = hits(picks, truth, 2.5)
    for count in range(51):
        first = hits(Picks(picks.points[:count], picks.scores[:count]), truth, 2.5)
        np.testing.assert_array_equal(first, every[:count])


@pytest.mark.parametrize("seed", range(5))
def test_hits_are_those_of_a_search_one_by_one(seed):
    picks, truth = draw(seed, 50, 20)
    free, expected = list(range(20)), []
    for point in picks.points:
        near = min(free, key=lambda each: np.hypot(*(truth[each] - point)), default=None)
        expected.append(near is not None and bool(np.hypot(*(truth[near] - point)) < 2.0))
        if expected[-1]:
            free.remove(near)
    assert hits(picks, truth, 2.0).tolist() == expected


def test_pairs_do_not_depend_on_where_the_micrograph_lies():
    picks, truth = draw(3, 40, 30)
    shift = np.array([64, -32])
    moved = Picks(picks.points + shift, picks.scores)
    np.testing.assert_array_equal(hits(moved, truth + shift, 2.0), hits(picks, truth, 2.0))
    matches, again = match(picks.points, truth, 2.0), match(moved.points, truth + shift, 2.0)
    np.testing.assert_array_equal(again.truths, matches.truths)


@pytest.mark.parametrize("seed", range(10))
def test_average_precision_agrees_with_counting(seed):
    is_hit, scores, truths = several(seed)
    expected = average_precision_by_counting(is_hit, scores, sum(truths))
    assert average_precision(is_hit, scores, sum(truths)) == pytest.approx(expected, abs=1e-12)
    assert 0 < expected < 1


def test_average_precision_counts_particles_that_nothing_finds():
    is_hit, scores = [np.array([True, True])], [np.array([0.9, 0.8])]
    assert average_precision(is_hit, scores, 2) == 1
    assert average_precision(is_hit, scores, 8) == 0.25


def test_picks_of_a_micrograph_without_particles_are_false_positives():
    is_hit, scores = [np.array([True])], [np.array([0.5])]
    ice = hits(make_picks((3, 3), (9, 9)), NOTHING, 3.0)
    assert ice.tolist() == [False, False]
    assert average_precision(is_hit, scores, 1) == 1
    assert average_precision([*is_hit, ice], [*scores, np.array([0.9, 0.8])], 1) == pytest.approx(1 / 3)


def test_average_precision_sees_the_order_only_and_micrographs_share_their_scale():
    is_hit, scores, truths = several(2)
    before = average_precision(is_hit, scores, sum(truths))
    assert average_precision(is_hit, [np.exp(3 * each) for each in scores], sum(truths)) == pytest.approx(before)
    assert average_precision(is_hit, [scores[0] + 5, *scores[1:]], sum(truths)) != pytest.approx(before)


def test_average_precision_of_a_group_is_that_of_its_micrographs_alone():
    is_hit, scores, truths = several(1)
    by_group = average_precision_by_group(is_hit, scores, truths, ["b", "ice", "a", "a", "b"])
    assert set(by_group) == {"a", "b"}  # the folder without particles has none
    assert by_group["a"] == average_precision(is_hit[2:4], scores[2:4], truths[2] + truths[3])
    assert by_group["b"] == average_precision([is_hit[0], is_hit[4]], [scores[0], scores[4]], truths[0] + truths[4])


@pytest.mark.parametrize("seed", range(10))
def test_chosen_threshold_has_the_largest_f1_and_is_the_lowest_that_has(seed):
    is_hit, scores, truths = several(seed)
    levels = np.unique(np.concatenate(scores))
    every = np.array([f1_at(is_hit, scores, sum(truths), level) for level in levels])
    lowest = np.flatnonzero(every == every.max())[0]
    halfway = (levels[lowest] + (levels[lowest - 1] if lowest else 0)) / 2
    assert choose_threshold(is_hit, scores, sum(truths)) == pytest.approx(halfway)


def test_on_a_tie_the_lowest_threshold_is_chosen():
    is_hit, scores = [np.array([True, False, False, True])], [np.array([0.9, 0.7, 0.5, 0.3])]
    assert f1_at(is_hit, scores, 2, 0.9) == f1_at(is_hit, scores, 2, 0.3)
    assert choose_threshold(is_hit, scores, 2) == pytest.approx(0.15)  # nothing is weaker but 0


def test_without_a_hit_the_threshold_is_just_above_all_scores():
    scores = [np.array([0.9, 0.7]), np.array([0.2])]
    threshold = choose_threshold([np.zeros(2, bool), np.zeros(1, bool)], scores, 5)
    assert 0.9 < threshold < 0.9000001
    assert 1 < choose_threshold([], [], 0) < 1.0000001


def test_score_sums_counts_over_micrographs():
    first, second = make_picks((5, 5), (20, 20), (40, 40)), make_picks((7, 5))  # scores 0.9, 0.5, 0.1 and 0.9
    truths = [np.array([[5.0, 6.0], [40.0, 40.0], [60.0, 60.0]]), np.array([[5.0, 5.0]])]
    result = score_picks([first, second], truths, 3.0, 0.5)
    assert result == Score(matches=2, picks=3, truths=4, distance=3.0, radius=3.0)
    assert result.precision == pytest.approx(2 / 3)
    assert result.recall == 0.5
    assert result.f1 == pytest.approx(4 / 7)
    assert result.localisation_error == 1.5


def test_a_pick_at_the_threshold_counts():
    assert score_picks([make_picks((5, 5))], [np.array([[5.0, 5.0]])], 3.0, 0.9).matches == 1
    assert score_picks([make_picks((5, 5))], [np.array([[5.0, 5.0]])], 3.0, np.nextafter(0.9, 1)).picks == 0


def test_a_wider_radius_and_a_lower_threshold_never_lose_recall():
    picks, truth = draw(4, 60, 30)
    wider = [score_picks([picks], [truth], radius, 0.0).recall for radius in (0.5, 1.0, 20.0)]
    lower = [score_picks([picks], [truth], 2.0, threshold).recall for threshold in (1.1, 0.75, 0.5, 0.0)]
    assert wider == sorted(wider)
    assert lower == sorted(lower)
    assert wider[-1] == 1


@pytest.mark.parametrize(
    ("picks", "truth", "expected"),
    [(NOTHING, NOTHING, (0, 0, 0)), (NOTHING, np.ones((4, 2)), (0, 0, 4)), (np.ones((3, 2)), NOTHING, (0, 3, 0))],
)
def test_empty_micrographs_give_no_nan(picks, truth, expected):
    empty = Picks(picks, np.linspace(0.9, 0.5, len(picks)))
    result = score_picks([empty], [truth], 3.0, 0.0)
    assert (result.matches, result.picks, result.truths) == expected
    assert (result.precision, result.recall, result.f1, result.localisation_error) == (0, 0, 0, 3.0)
    assert not hits(empty, truth, 3.0).any()
    assert average_precision([hits(empty, truth, 3.0)], [empty.scores], len(truth)) == 0
    assert score_picks([], [], 3.0, 0.5).f1 == average_precision([], [], 0) == 0
