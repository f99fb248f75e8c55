"""Pixel metrics from counts against scikit-learn on all pixels, and the published defects beside them."""

import tracemalloc

import numpy as np
import pytest
from sklearn import metrics as oracle

from trainables.unet_selftrain.histogram import PixelScore, ScoreHistogram, mean_dice


def draw(seed: int, shape: tuple[int, ...] = (40, 50), *, quantised: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Draw a truth and probabilities float32 that predict it, on the edges of 1024 bins if quantised."""
    rng = np.random.default_rng(seed)
    truth = rng.random(shape) < 0.2
    values = np.clip(0.25 * truth + rng.beta(1, 2, shape), 0, 1).astype(np.float32)
    return (np.minimum(np.floor(values * 1024), 1023) / 1024).astype(np.float32) if quantised else values, truth


def filled(probabilities, truth, bins: int = 1024) -> ScoreHistogram:
    histogram = ScoreHistogram(bins)
    histogram.add(probabilities, truth)
    return histogram


def thresholded_auc(probabilities, truth, threshold: float) -> float:
    """Compute the published defect: an area under the curve of maps that were thresholded before."""
    return float(oracle.roc_auc_score(truth.ravel(), (probabilities >= threshold).ravel()))


@pytest.mark.parametrize("seed", range(5))
def test_areas_are_exact_for_probabilities_on_the_edges(seed):
    probabilities, truth = draw(seed)
    histogram = filled(probabilities, truth)
    flat = truth.ravel(), probabilities.ravel()
    assert histogram.auroc() == pytest.approx(oracle.roc_auc_score(*flat), abs=1e-12)
    assert histogram.average_precision() == pytest.approx(oracle.average_precision_score(*flat), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_areas_of_continuous_probabilities_are_right_to_a_thousandth(seed):
    probabilities, truth = draw(seed, (200, 200), quantised=False)
    histogram = filled(probabilities, truth)
    flat = truth.ravel(), probabilities.ravel()
    assert histogram.auroc() == pytest.approx(oracle.roc_auc_score(*flat), abs=1e-3)
    assert histogram.average_precision() == pytest.approx(oracle.average_precision_score(*flat), abs=1e-3)


def test_a_tie_counts_one_half_and_a_turned_map_gives_the_complement():
    probabilities, truth = draw(1)
    assert filled(np.full_like(probabilities, 0.3), truth).auroc() == 0.5
    turned = filled(1023 / 1024 - probabilities, truth).auroc()
    assert turned == pytest.approx(1 - filled(probabilities, truth).auroc(), abs=1e-12)


def test_area_of_a_thresholded_map_is_the_balanced_accuracy_and_not_the_area_of_the_probabilities():
    probabilities = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    truth = np.array([0, 0, 0, 1, 0, 1, 1, 1], dtype=bool)
    defect = thresholded_auc(probabilities, truth, 0.5)
    said = probabilities >= 0.5
    assert defect == pytest.approx((said[truth].mean() + 1 - said[~truth].mean()) / 2)
    assert defect == 0.75
    assert filled(probabilities, truth).auroc() == 15 / 16  # one of 16 pairs is the wrong way round


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.3, 0.5, 511 / 1024, 0.97])
def test_score_at_a_threshold_agrees_with_counting_pixels(threshold):
    probabilities, truth = draw(2)
    score = filled(probabilities, truth).score(threshold)
    arguments = truth.ravel(), (probabilities >= threshold).ravel()
    measures = oracle.precision_score, oracle.recall_score, oracle.f1_score, oracle.jaccard_score
    assert score == pytest.approx([measure(*arguments) for measure in measures])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_probability_on_an_edge_is_said_yes_to_from_that_edge_on(dtype):
    for edge in range(1024):
        histogram = filled(np.array([edge / 1024], dtype), np.array([True]))
        assert histogram.score(edge / 1024).recall == 1
        assert histogram.score(np.nextafter(edge / 1024, 1)).recall == 0


def test_probability_of_one_belongs_to_the_last_bin():
    histogram = filled(np.ones(3, np.float32), np.array([True, True, False]))
    assert histogram.counts[:, -1].tolist() == [1, 2]
    assert histogram.counts.sum() == 3


@pytest.mark.parametrize("seed", range(5))
def test_chosen_threshold_has_the_largest_f1_of_all_edges(seed):
    probabilities, truth = draw(seed)
    histogram = filled(probabilities, truth, bins=64)
    threshold = histogram.choose_threshold()
    every = [oracle.f1_score(truth.ravel(), (probabilities >= edge / 64).ravel()) for edge in range(64)]
    assert histogram.score(threshold).f1 == pytest.approx(max(every))
    assert threshold == int(np.argmax(every)) / 64


def test_on_a_tie_the_lowest_edge_is_chosen():
    assert filled(np.array([0.2, 0.8]), np.array([False, True])).choose_threshold() == 205 / 1024  # just above 0.2


def test_histograms_add_up_to_that_of_all_pixels():
    first, second = draw(3), draw(4, (7, 9, 2))
    whole = filled(*first)
    whole.add(*second)
    total = filled(*first) + filled(*second)
    np.testing.assert_array_equal(total.counts, whole.counts)
    assert total.auroc() == whole.auroc()


def test_a_sum_does_not_change_what_was_added():
    first, second = filled(*draw(3)), filled(*draw(4))
    before = first.counts.copy()
    (first + second).add(*draw(5))
    np.testing.assert_array_equal(first.counts, before)


def test_area_does_not_overflow_with_the_pixels_of_a_large_test_split():
    probabilities, truth = draw(5)
    histogram = filled(probabilities, truth)
    expected = histogram.auroc(), histogram.average_precision(), *histogram.score(0.5)
    histogram.counts *= 10**9  # more than 10¹² pixels
    assert (histogram.auroc(), histogram.average_precision(), *histogram.score(0.5)) == pytest.approx(expected)


def test_memory_does_not_grow_with_the_number_of_tiles():
    probabilities, truth = draw(6, (16, 16))
    assert growth(lambda kept: kept[0].add(probabilities, truth)) < 2_000
    defect = growth(lambda kept: kept.append((probabilities.copy(), truth.copy())))
    assert defect > 10_000_000  # the published way keeps the pixels


def growth(add) -> int:
    """Measure the bytes by which the peak after 10,000 tiles exceeds that after 1,000."""
    kept: list = [ScoreHistogram()]
    tracemalloc.start()
    try:
        peaks = []
        for tiles in (1_000, 9_000):
            for _ in range(tiles):
                add(kept)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    return peaks[1] - peaks[0]


def test_pixels_of_one_kind_give_no_nan():
    empty, none, every = ScoreHistogram(), filled(np.full(9, 0.4), np.zeros(9)), filled(np.full(9, 0.4), np.ones(9))
    assert [each.auroc() for each in (empty, none, every)] == [0.5, 0.5, 0.5]
    assert [each.average_precision() for each in (empty, none, every)] == [0, 0, 1]
    assert empty.score(0.2) == none.score(0.2) == every.score(0.6) == PixelScore(0, 0, 0, 0)
    assert every.score(every.choose_threshold()) == PixelScore(1, 1, 1, 1)


def test_without_positives_the_threshold_says_no_to_everything():
    threshold = filled(np.ones(5), np.zeros(5)).choose_threshold()
    assert not np.float64(1.0) >= threshold
    assert filled(np.ones(5), np.ones(5)).score(threshold).recall == 0


def test_dice_is_the_mean_over_micrographs_with_particles():
    first, second = draw(7), draw(8)
    micrographs = [filled(*first), filled(np.ones(9), np.zeros(9)), filled(*second)]
    dice = [oracle.f1_score(truth.ravel(), (values >= 0.4).ravel()) for values, truth in (first, second)]
    assert mean_dice(micrographs, 0.4) == pytest.approx(np.mean(dice))
    assert mean_dice(micrographs[1:2], 0.4) == mean_dice([], 0.4) == 0


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1])
def test_what_is_no_probability_is_refused_and_not_counted(value):
    probabilities, truth = draw(9)
    probabilities[3, 4] = value
    histogram = ScoreHistogram()
    with pytest.raises(ValueError, match="outside 0 to 1"):
        histogram.add(probabilities, truth)
    assert not histogram.counts.any()


def test_a_truth_of_another_shape_is_refused():
    probabilities, truth = draw(9)
    with pytest.raises(ValueError, match="shape"):
        ScoreHistogram().add(probabilities, truth.T)


def test_bins_that_are_no_power_of_two_are_refused():
    with pytest.raises(ValueError, match="bins=1000"):
        ScoreHistogram(1000)
