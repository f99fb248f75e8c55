"""Thresholds, the merging of labels pixel by pixel, and statistics by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.pseudo import Statistics, Thresholds, merge, min_patch_area, relax_thresholds
from trainables.unet_selftrain.targets import render

THRESHOLDS = Thresholds(0.9, 0.1, True)
NONE = np.zeros((4, 4), np.int8)
NOBODY = np.empty((0, 2))


def pair(config: Config, iteration: int) -> tuple[float, float]:
    pos, neg, has_gap = relax_thresholds(config, iteration)
    assert has_gap
    return pytest.approx(pos), pytest.approx(neg)


def test_thresholds_relax_by_the_decay():
    assert [pair(Config(), i) for i in (1, 2, 3)] == [(0.95, 0.05), (0.93, 0.07), (0.91, 0.09)]


def test_thresholds_relax_no_further_than_their_bounds():
    assert pair(Config(), 8) == (0.81, 0.19)
    assert pair(Config(), 9) == pair(Config(), 20) == (0.80, 0.20)


def test_bounds_never_tighten_a_base_beyond_them():
    assert pair(Config(base_pos=0.7, base_neg=0.3), 1) == (0.7, 0.3)
    assert pair(Config(base_pos=0.7, base_neg=0.3), 5) == (0.7, 0.3)


def test_thresholds_keep_their_distance_and_say_so_when_the_lower_one_had_to_give_way():
    config = Config(base_pos=0.6, base_neg=0.3, pos_floor=0.5, neg_ceiling=0.5, threshold_decay=0.05)
    assert relax_thresholds(config, 1).has_gap
    second = relax_thresholds(config, 2)
    assert second == (pytest.approx(0.55), pytest.approx(0.35), True)
    third = relax_thresholds(config, 3)
    assert third == (pytest.approx(0.5), pytest.approx(0.3), False)


def test_thresholds_exactly_the_least_distance_apart_have_met_it():
    assert relax_thresholds(Config(base_pos=0.7, base_neg=0.5), 1) == (0.7, 0.5, True)


def flood(mask: np.ndarray) -> np.ndarray:
    """Measure the size of every pixel's patch by walking from neighbour to neighbour."""
    sizes = np.zeros(mask.shape, int)
    for start in zip(*np.nonzero(mask), strict=True):
        seen, todo = {start}, [start]
        while todo:
            row, column = todo.pop()
            for each in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
                inside = 0 <= each[0] < mask.shape[0] and 0 <= each[1] < mask.shape[1]
                if inside and mask[each] and each not in seen:
                    seen.add(each)
                    todo.append(each)
        sizes[start] = len(seen)
    return sizes


def by_pixel(probabilities, original, far, thresholds, trust, least_area) -> np.ndarray:
    """Compute the target of every pixel, from the last rule to the first."""
    expected = np.empty(original.shape, np.int8)
    sizes = flood((probabilities > thresholds.pos) & (original <= 0))
    for at in np.ndindex(original.shape):
        if original[at] > 0:
            expected[at] = original[at]
        elif probabilities[at] > thresholds.pos and sizes[at] >= least_area:
            expected[at] = 100
        elif probabilities[at] < thresholds.neg or trust == "all" or (trust == "far" and far[at]):
            expected[at] = 0
        else:
            expected[at] = -1
    return expected


@pytest.mark.parametrize("trust", ["none", "far", "all"])
@pytest.mark.parametrize("least_area", [0.0, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("target", ["disc", "gaussian"])
def test_merging_is_what_the_rules_say_of_each_pixel(trust, least_area, target):
    generator = np.random.default_rng(3)
    config = Config(target=target, trust_negatives=trust)
    thresholds = Thresholds(0.55, 0.2, True)  # so that patches of all sizes occur
    for _ in range(5):
        probabilities = generator.random((24, 31)).astype(np.float32)
        original = render((24, 31), generator.uniform(0, 24, (3, 2)), 3.0, config)
        far = generator.random((24, 31)) < 0.5
        result = merge(probabilities, original, far, thresholds, config, least_area)
        assert result.dtype == np.int8
        np.testing.assert_array_equal(result, by_pixel(probabilities, original, far, thresholds, trust, least_area))


def test_the_known_particles_win_over_a_network_that_denies_them():
    original = render((9, 9), np.array([[4, 4]]), 2.0, Config())
    result = merge(np.zeros((9, 9), np.float32), original, None, THRESHOLDS, Config(trust_negatives="all"), 0.0)
    np.testing.assert_array_equal(result, original)


def test_the_thresholds_themselves_are_ignored():
    at = np.array([[THRESHOLDS.neg, THRESHOLDS.pos]], np.float32)
    assert merge(at, np.zeros((1, 2), np.int8), None, THRESHOLDS, Config(), 0.0).tolist() == [[-1, -1]]


def test_original_negatives_are_discarded_with_none_and_kept_with_all():
    unsure, original = np.full((4, 4), 0.5, np.float32), np.zeros((4, 4), np.int8)
    assert (merge(unsure, original, None, THRESHOLDS, Config(trust_negatives="none"), 0.0) == -1).all()
    assert (merge(unsure, original, None, THRESHOLDS, Config(trust_negatives="all"), 0.0) == 0).all()


def test_far_negatives_are_not_trusted_without_knowing_where_they_are():
    blank = np.zeros((4, 4), np.int8)
    with pytest.raises(ValueError, match="far"):
        merge(blank.astype(np.float32), blank, None, THRESHOLDS, Config(trust_negatives="far"), 0.0)


@pytest.mark.parametrize(("trust", "expected"), [("none", -1), ("all", 0)])
def test_small_patches_go_back_to_what_they_would_be(trust, expected):
    probabilities = np.full((10, 10), 0.5, np.float32)
    probabilities[1:3, 1:3] = 0.99  # 4 pixels
    probabilities[5:9, 5:9] = 0.99  # 16 pixels
    result = merge(probabilities, np.zeros((10, 10), np.int8), None, THRESHOLDS, Config(trust_negatives=trust), 5.0)
    assert (result[1:3, 1:3] == expected).all()
    assert (result[5:9, 5:9] == 100).all()
    assert (result == 100).sum() == 16


def test_a_rim_around_a_known_particle_does_not_grow_it_but_a_touching_neighbour_is_found():
    original = render((40, 60), np.array([[20, 20]]), 8.0, Config())
    sure = np.full((40, 60), 0.5, np.float32)
    sure[render((40, 60), np.array([[20, 20]]), 9.0, Config()) > 0] = 0.99
    area = 0.5 * math.pi * 8**2
    np.testing.assert_array_equal(merge(sure, original, None, THRESHOLDS, Config(), area) > 0, original > 0)
    sure[render((40, 60), np.array([[36, 20]]), 8.0, Config()) > 0] = 0.99
    assert merge(sure, original, None, THRESHOLDS, Config(), area)[20, 36] == 100


def test_the_smallest_patch_is_a_share_of_what_a_perfect_network_would_mark():
    thresholds = Thresholds(0.905, 0.1, True)  # where the rendered percent change from 90 to 91
    for target, scale in (("disc", 0.7), ("gaussian", 1.0)):
        config = Config(target=target, target_scale=scale, min_component=0.4)
        perfect = render((99, 99), np.array([[49, 49]]), 30.0, config) > 90
        assert min_patch_area(config, 30.0, thresholds) == pytest.approx(0.4 * perfect.sum(), rel=0.05)
    assert min_patch_area(Config(), 30.0, THRESHOLDS) == 0


def test_statistics_by_hand():
    merged, original = np.full((10, 20), -1, np.int8), np.zeros((10, 20), np.int8)
    original[1:4, 1:4] = 100
    original[4, 4] = 30  # a Gaussian's flank
    merged[original > 0] = original[original > 0]
    merged[9, :] = 0
    merged[2, 10:13] = 100  # two pixels of the hidden particle at (10, 2), its middle among them, and one beyond
    merged[7, 18] = 100  # of no particle
    statistics = Statistics()
    hidden = np.array([[10.1, 1.9], [15.0, 6.0], [25.0, 5.0]])  # the last one is not in the micrograph
    statistics.add(merged, original, render((10, 20), hidden, 1.2, Config()), np.array([[2, 2]]), hidden, 1.2)
    discs = 2 * 5  # each of the two has its middle and four neighbours
    assert statistics.metrics() == {
        "positive_share": (9 + 4) / 200,
        "negative_share": (20 + 1) / 200,
        "ignored_share": (200 - 13 - 21) / 200,
        "new_components": 2.0,
        "new_precision": 2 / 4,
        "hidden_recall": 2 / discs,
        "hidden_found": 1 / 2,
    }


def test_statistics_of_two_micrographs_are_pooled():
    positive, empty = np.full((4, 4), 100, np.int8), np.zeros((8, 8), np.int8)
    statistics = Statistics()
    statistics.add(positive, NONE, NONE, NOBODY, NOBODY, 2.0)
    statistics.add(empty, empty, empty, NOBODY, np.array([[4, 4]]), 2.0)
    values = statistics.metrics()
    assert values["positive_share"] == 16 / 80
    assert values["new_components"] == 1
    assert values["new_precision"] == values["hidden_found"] == values["hidden_recall"] == 0


def test_statistics_have_the_same_finite_values_even_of_nothing():
    statistics = Statistics()
    nothing = statistics.metrics()
    statistics.add(NONE, NONE, NONE, NOBODY, NOBODY, 2.0)
    assert list(nothing) == list(statistics.metrics())
    assert set(nothing.values()) == {0.0}
    assert all(math.isfinite(each) for each in statistics.metrics().values())


def test_growth_within_a_known_disc_is_no_error_and_hidden_pixels_under_it_do_not_count():
    original = render((20, 20), np.array([[10, 10]]), 2.0, Config())
    merged = render((20, 20), np.array([[10, 10]]), 4.0, Config())
    statistics = Statistics()
    statistics.add(merged, original, np.zeros_like(original), np.array([[10, 10]]), NOBODY, 4.0)
    assert statistics.metrics()["new_precision"] == 1
    statistics.add(merged, original, original, np.array([[10, 10]]), np.array([[10, 10]]), 4.0)
    assert statistics.hidden_pixels == 0


@pytest.mark.parametrize("values", [{"target_scale": 0.5}, {"target": "gaussian", "target_scale": 0.6}])
def test_perfect_labels_recall_every_hidden_particle_whatever_a_target_looks_like(values):
    """Counted against discs of the whole radius, small targets could not reach more than a quarter."""
    config, centres = Config(**values), np.array([[20.0, 20.0], [44.0, 30.0]])
    nothing, all_known = render((64, 64), NOBODY, 10.0, config), render((64, 64), centres, 10.0, config)
    statistics = Statistics()
    statistics.add(np.where(all_known >= 50, 100, 0).astype(np.int8), nothing, all_known, NOBODY, centres, 10.0)
    assert statistics.metrics()["hidden_recall"] == statistics.metrics()["hidden_found"] == 1
    assert (statistics + statistics).metrics() == {**statistics.metrics(), "new_components": 4.0}
