"""The centre bias against double loops and scikit-learn, built anew without an image, and on a bias that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import KernelDensity

from trainables.entropy_reg import centre_bias
from trainables.entropy_reg.centre_bias import CentreBias, uniform_log_density
from trainables.entropy_reg.scoring import bias_information, score_density
from trainables.settings import UsageError

SHAPE = (6, 8)
SIZES = [(96, 128), (128, 96), (48, 64), (96, 128)]

Fixated = list[tuple[np.ndarray, tuple[int, int]]]


def some(counts: tuple[int, ...] = (5, 9, 3, 1), seed: int = 0) -> Fixated:
    rng = np.random.default_rng(seed)
    sizes = [SIZES[index % 4] for index in range(len(counts))]
    return [
        (rng.uniform((0, 0), (width, height), (count, 2)).astype(np.float32), (height, width))
        for count, (height, width) in zip(counts, sizes, strict=True)
    ]


def known(images: int, count: int, deviation: float = 0.2, seed: int = 0) -> Fixated:
    """Draw fixations from a Gaussian around the centre, cut off at the border; deviations are shares of each side."""
    result = []
    for index in range(images):
        height, width = SIZES[index % 2]
        shares = truncated(deviation).rvs((count, 2), random_state=1000 * seed + index)
        result.append((np.minimum(shares, 0.9999) * (width, height), (height, width)))
    return result


def truncated(deviation: float):
    return stats.truncnorm(-0.5 / deviation, 0.5 / deviation, loc=0.5, scale=deviation)


def loop(fixated: Fixated, shape: tuple[int, int], bandwidth: float, share: float) -> np.ndarray:
    """Compute the density one fixation and cell at a time."""
    result = np.zeros(shape)
    for points, (height, width) in fixated:
        for x, y in points.tolist():
            across, down = stats.norm(x / width, bandwidth), stats.norm(y / height, bandwidth)
            for i in range(shape[0]):
                for j in range(shape[1]):
                    tall = down.cdf((i + 1) / shape[0]) - down.cdf(i / shape[0])
                    result[i, j] += tall * (across.cdf((j + 1) / shape[1]) - across.cdf(j / shape[1]))
    return (1 - share) * result / result.sum() + share / result.size


def mean_bits(log_densities: list[np.ndarray], fixated: Fixated) -> float:
    """Average over images the mean over an image's fixations; cells are found by their borders."""
    each = []
    for log_density, (points, (height, width)) in zip(log_densities, fixated, strict=True):
        rows, columns = log_density.shape
        row = np.digitize(points[:, 1], np.arange(1, rows) * height / rows)
        column = np.digitize(points[:, 0], np.arange(1, columns) * width / columns)
        each.append(np.mean(log_density[row, column] / math.log(2) + math.log2(rows * columns)))
    return float(np.mean(each))


def of_one_place(share: float) -> CentreBias:
    return CentreBias.fit([(np.full((1, 2), share * 100), (100, 100))] * 2, 0.01, 0.0)


@pytest.mark.parametrize(("bandwidth", "share"), [(0.03, 0.1), (0.1, 0.0), (0.5, 1e-3)])
def test_it_is_the_double_loop_s_also_without_an_image(bandwidth: float, share: float):
    fixated = some()
    bias = CentreBias.fit(fixated, bandwidth, share)
    np.testing.assert_allclose(np.exp(bias.log_density(SHAPE)), loop(fixated, SHAPE, bandwidth, share), atol=1e-11)
    for index in range(4):
        rest = fixated[:index] + fixated[index + 1 :]
        expected = loop(rest, SHAPE, bandwidth, share)
        np.testing.assert_allclose(np.exp(bias.log_density(SHAPE, index)), expected, atol=1e-11)


def test_on_small_cells_it_is_scikit_learn_s_at_their_centres():
    fixated, shape = some(), (75, 100)
    shares = np.concatenate([points / (width, height) for points, (height, width) in fixated])
    kernel = KernelDensity(bandwidth=0.1, rtol=1e-10).fit(shares)
    x, y = np.meshgrid((np.arange(100) + 0.5) / 100, (np.arange(75) + 0.5) / 75)
    expected = np.exp(kernel.score_samples(np.stack([x.ravel(), y.ravel()], axis=1))).reshape(shape)
    got = np.exp(CentreBias.fit(fixated, 0.1, 0.0).log_density(shape))
    np.testing.assert_allclose(got, expected / expected.sum(), rtol=0.01, atol=1e-9)


def test_a_coarse_grid_has_the_mass_of_a_fine_one_however_narrow_the_kernel():
    bias = CentreBias.fit(some(), 0.004, 0.01)
    fine = np.exp(bias.log_density((60, 80)))
    summed = fine.reshape(6, 10, 8, 10).sum(axis=(1, 3))
    np.testing.assert_allclose(np.exp(bias.log_density(SHAPE)), summed, rtol=1e-9)


@pytest.mark.parametrize("shape", [(6, 8), (24, 32), (40, 30)])
@pytest.mark.parametrize("bandwidth", [0.01, 0.05, 0.3])
def test_leaving_an_image_out_is_as_if_it_had_not_been_there(shape: tuple[int, int], bandwidth: float):
    fixated = known(6, 40)
    bias = CentreBias.fit(fixated, bandwidth, 0.0)
    for index in range(6):
        anew = CentreBias.fit(fixated[:index] + fixated[index + 1 :], bandwidth, 0.0)
        np.testing.assert_allclose(bias.log_density(shape, index), anew.log_density(shape), atol=1e-3)
        close = np.exp(bias.log_density(shape, index)) - np.exp(anew.log_density(shape))
        assert np.abs(close).max() < 1e-14


def test_where_others_never_looked_the_density_is_the_floor_and_not_rounding():
    corner, opposite = np.full((300, 2), 2.0), np.array([[97.0, 97.0]])
    bias = CentreBias.fit([(corner, (100, 100)), (opposite, (100, 100))], 0.01, 0.0)
    got = bias.log_density((25, 25), without=0)
    assert np.isfinite(got).all()
    assert np.exp(got[0, 0]) == pytest.approx(centre_bias.FLOOR / 625, rel=0.5)
    assert np.exp(bias.log_density((25, 25), without=1)[-1, -1]) == pytest.approx(centre_bias.FLOOR / 625, rel=0.5)


def test_the_total_is_taken_once_for_each_shape_and_never_changed(monkeypatch: pytest.MonkeyPatch):
    bias = CentreBias.fit(some(), 0.1, 0.0)
    before = bias.log_density(SHAPE)
    bias.log_density(SHAPE, 1)
    monkeypatch.setattr(centre_bias, "_total", None)
    np.testing.assert_array_equal(bias.log_density(SHAPE), before)
    assert bias.log_density(SHAPE, 1).shape == SHAPE


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_bits_are_the_mean_over_images_of_leaving_each_out(share: float):
    fixated = known(7, 30, seed=3) + some((1, 80), seed=4)
    bias = CentreBias.fit(fixated, 0.07, share)
    anew = [
        CentreBias.fit(fixated[:index] + fixated[index + 1 :], 0.07, share).log_density(centre_bias.FIT_GRID)
        for index in range(len(fixated))
    ]
    assert bias.bits == pytest.approx(mean_bits(anew, fixated), abs=1e-9)
    everything = mean_bits([bias.log_density(centre_bias.FIT_GRID)] * len(fixated), fixated)
    assert bias.bits < everything  # which knows the answers


def test_the_information_gain_over_the_reported_bits_is_none():
    """On cells of four pixels, as validation has them; the reported bits are of a grid a little different."""
    fixated = known(20, 40)
    bias = CentreBias.fit(fixated)
    each = [
        score_density(bias.log_density((height // 4, width // 4), index), points, 0.03).ll
        for index, (points, (height, width)) in enumerate(fixated)
    ]
    assert np.mean(each) == pytest.approx(bias.bits, abs=0.02)


def test_the_choice_is_the_likeliest_of_all_that_are_tried():
    fixated = known(8, 30) + some((40, 40), seed=5)
    bias = CentreBias.fit(fixated)
    tried = {
        (bandwidth, share): CentreBias.fit(fixated, bandwidth, share).bits
        for bandwidth in centre_bias.BANDWIDTHS.tolist()
        for share in centre_bias.SHARES.tolist()
    }
    assert (bias.bandwidth, bias.uniform_share) == max(tried, key=tried.__getitem__)
    assert bias.bits == pytest.approx(max(tried.values()))
    assert not bias.at_end


def test_what_is_given_is_kept_and_only_the_other_chosen():
    fixated = known(8, 30)
    assert CentreBias.fit(fixated, bandwidth=0.0215).bandwidth == 0.0215
    assert CentreBias.fit(fixated, uniform_share=0.05).uniform_share == 0.05
    assert CentreBias.fit(fixated, bandwidth=0.01).uniform_share in centre_bias.SHARES
    assert not CentreBias.fit(fixated, bandwidth=0.01).at_end


def test_a_known_bias_is_found_within_a_few_per_cent_of_its_information():
    bias = CentreBias.fit(known(60, 60))
    closed = -2 * truncated(0.2).entropy() / math.log(2)
    assert bias.bits == pytest.approx(closed, rel=0.05)
    assert mean_bits([bias.log_density((24, 32))] * 60, known(60, 60, seed=1)) == pytest.approx(closed, rel=0.05)
    assert bias_information(bias.log_density((24, 32))) == pytest.approx(closed, rel=0.1)


def test_a_gaussian_of_an_eighth_of_the_shorter_side_loses_against_it_and_against_uniform():
    """The method's notes compare with that one, and so found more information than there is."""
    fixated = known(60, 60)
    y, x = np.mgrid[2:96:4, 2:128:4]
    notes = -((x - 64) ** 2 + (y - 48) ** 2) / (2 * 12**2)
    notes = notes - np.log(np.exp(notes).sum())
    bits = mean_bits([notes if height == 96 else notes.T for _, (height, _) in fixated], fixated)
    assert bits < 0 < CentreBias.fit(fixated).bits


def test_without_a_bias_it_is_nearly_uniform_and_no_worse():
    rng = np.random.default_rng(0)
    bias = CentreBias.fit([(rng.uniform(0, 64, (20, 2)), (64, 64)) for _ in range(20)])
    assert 0 <= bias.bits < 0.02
    assert bias_information(bias.log_density((16, 16))) < 0.02


def test_what_images_do_not_share_is_no_bias():
    corners = [(np.full((20, 2), 4.0), (64, 64)), (np.full((20, 2), 60.0), (64, 64))]
    bias = CentreBias.fit(corners)
    assert (bias.bits, bias.uniform_share, bias.at_end) == (pytest.approx(0, abs=1e-12), 1, False)
    np.testing.assert_allclose(bias.log_density(SHAPE), uniform_log_density(SHAPE))


@pytest.mark.parametrize("deviation", [0.015, 0.1])
def test_the_bandwidth_follows_the_bias_s_own_detail(deviation: float):
    """One narrow peak has a narrow kernel; the best one is narrower than the peak, and less so of fewer fixations."""
    assert deviation / 5 < CentreBias.fit(known(10, 10, deviation)).bandwidth < deviation


def test_the_far_tails_are_the_same_on_all_sides():
    """Of a single place, a dozen bandwidths from it, where a difference of two numbers near 1 would be rounding."""
    shape = (192, 256)
    near, far = (of_one_place(share).log_density(shape) for share in (0.05, 0.95))
    np.testing.assert_allclose(near, far[::-1, ::-1], atol=1e-6)


def test_a_bandwidth_at_the_end_of_those_tried_is_told():
    narrow = [
        (np.full((20, 2), 32.0) + np.random.default_rng(seed).normal(0, 0.1, (20, 2)), (64, 64)) for seed in (0, 1)
    ]
    assert CentreBias.fit(narrow).at_end
    assert CentreBias.fit(narrow).bandwidth == centre_bias.BANDWIDTHS[0]


@pytest.mark.parametrize("fixated", [[], some((5,)), some((5, 0, 0))])
def test_one_image_is_too_few(fixated: Fixated):
    with pytest.raises(UsageError, match=r"two training images with fixations, and there are [01]: take more"):
        CentreBias.fit(fixated, 0.1, 0.1)


def test_images_without_fixations_change_nothing():
    fixated, none = known(3, 20), (np.empty((0, 2), np.float32), (96, 128))
    with_none, bias = CentreBias.fit([none, *fixated]), CentreBias.fit(fixated)
    assert (with_none.bandwidth, with_none.bits) == (bias.bandwidth, bias.bits)
    np.testing.assert_allclose(with_none.log_density(SHAPE, 0), bias.log_density(SHAPE), rtol=1e-12)


def test_uniform_says_nothing():
    assert np.exp(uniform_log_density(SHAPE)).sum() == pytest.approx(1)
    assert uniform_log_density(SHAPE).shape == SHAPE
    assert bias_information(uniform_log_density(SHAPE)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("group", [1, 7, 40, 10_000])
def test_the_fit_does_not_depend_on_how_many_fixations_are_integrated_together(monkeypatch, group):
    fixated = [*known(9, 11, seed=2), (np.zeros((0, 2), np.float32), (96, 128)), *known(2, 30, seed=3)]
    whole = CentreBias.fit(fixated)
    monkeypatch.setattr(centre_bias, "GROUP", group)
    parts = CentreBias.fit(fixated)
    assert (parts.bandwidth, parts.uniform_share, parts.at_end) == (whole.bandwidth, whole.uniform_share, whole.at_end)
    assert parts.bits == pytest.approx(whole.bits, rel=1e-12)
    densities = [fixated[:index] + fixated[index + 1 :] for index in range(len(fixated))]
    left_out = [
        CentreBias.fit(rest, whole.bandwidth, whole.uniform_share).log_density(centre_bias.FIT_GRID)
        for rest, image in zip(densities, fixated, strict=True)
        if len(image[0])
    ]
    assert whole.bits == pytest.approx(mean_bits(left_out, [image for image in fixated if len(image[0])]), rel=1e-6)
