"""Metrics of densities against scikit-learn, SciPy and loops, and what holds for every density."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats
from sklearn.metrics import roc_auc_score

from trainables.entropy_reg import scoring
from trainables.entropy_reg.config import CELL
from trainables.entropy_reg.contentless import Bias

SHAPE = (9, 12)
CELLS = 9 * 12


def normalised(logits: np.ndarray) -> np.ndarray:
    return special.log_softmax(logits, axis=(-2, -1))


def density(seed: int = 0, scale: float = 1.5, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return normalised(np.random.default_rng(seed).standard_normal(shape) * scale)


def uniform() -> np.ndarray:
    return np.full(SHAPE, -math.log(CELLS))


def one_cell() -> np.ndarray:
    only = np.full(SHAPE, -np.inf)
    only[4, 5] = 0.0
    return only


def fixations(count: int, seed: int = 0) -> np.ndarray:
    """Draw fixations, some of them twice."""
    points = np.random.default_rng(seed).uniform((0, 0), (12 * CELL, 9 * CELL), (count, 2)).astype(np.float32)
    return np.concatenate([points, points[: count // 3]])


def blurred(cells: np.ndarray, degree: float) -> np.ndarray:
    """Blur fixation by fixation: a Gaussian on a plane that mirrors the image, cut off where SciPy does, of sum 1."""
    deviation = degree * 12
    reach = int(4 * deviation + 0.5)
    result = np.zeros(SHAPE)
    weight = {step: math.exp(-(step**2) / (2 * deviation**2)) for step in range(-reach, reach + 1)}
    for cell in cells:
        for i, down in weight.items():
            for j, across in weight.items():
                row, column = (cell // 12 + i) % 18, (cell % 12 + j) % 24
                result[min(row, 17 - row), min(column, 23 - column)] += down * across
    return result / result.sum()


def test_a_fixation_is_in_the_cell_of_four_by_four_pixels_that_holds_it():
    points = np.array([[0, 0], [3.99, 3.99], [4, 0], [0, 4], [47.9, 35.9], [12.7, 21.2], [48, 36]], np.float32)
    assert scoring.cell_indices(points, SHAPE).tolist() == [0, 0, 1, 12, 107, 5 * 12 + 3, 107]


def test_the_likelihood_is_that_of_pixels_and_log2_of_their_number_less_the_loss_in_bits():
    log_density, points = density(), fixations(40)
    pixels = np.kron(np.exp(log_density), np.full((CELL, CELL), 1 / CELL**2))
    assert pixels.sum() == pytest.approx(1)
    loss = [-math.log2(pixels[int(y), int(x)]) for x, y in points]
    got = scoring.log_likelihood(log_density, scoring.cell_indices(points, SHAPE))
    assert got == pytest.approx(math.log2(pixels.size) - np.array(loss))


def test_a_uniform_density_has_no_likelihood_and_chance_in_all_else():
    got = scoring.score_density(uniform(), fixations(40), 0.1)
    entropy = stats.entropy(blurred(scoring.cell_indices(fixations(40), SHAPE), 0.1).ravel(), base=2)
    assert got[:3] == pytest.approx((0, 0.5, 0), abs=1e-12)
    assert got.kl == pytest.approx(math.log2(CELLS) - entropy)
    assert got.cc == 0


def test_float32_that_is_uniform_up_to_rounding_is_flat():
    nearly = uniform().astype(np.float32)
    nearly[0, 0] = np.nextafter(nearly[0, 0], np.float32(0))
    assert nearly.min() < nearly.max()
    got = scoring.score_density(nearly, np.zeros((1, 2), np.float32), 0.1)
    assert (got.nss, got.cc) == (0, 0)


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_auc_is_that_of_scikit_learn_with_repeats_and_ties(levels: int):
    rng = np.random.default_rng(levels)
    log_density = normalised(rng.integers(0, levels, SHAPE) / levels * 4).astype(np.float32)
    cells = scoring.cell_indices(fixations(30, levels), SHAPE)
    assert len(np.unique(cells)) < len(cells)
    labels = np.repeat([1, 0], [len(cells), CELLS])
    scores = np.concatenate([log_density.ravel()[cells], log_density.ravel()])
    assert scoring.auc(log_density, cells).mean() == pytest.approx(roc_auc_score(labels, scores))


def test_nss_is_the_z_score_of_the_density_and_not_of_its_logarithm():
    log_density, cells = density(), scoring.cell_indices(fixations(30), SHAPE)
    expected = stats.zscore(np.exp(log_density), axis=None)
    assert scoring.nss(log_density, cells) == pytest.approx([expected[cell // 12, cell % 12] for cell in cells])


@pytest.mark.parametrize("degree", [0.03, 0.1, 0.3])
def test_the_map_of_fixations_is_mirrored_at_the_border_and_sums_to_one(degree: float):
    cells = scoring.cell_indices(fixations(8), SHAPE)
    got = scoring.blur_fixations(cells, SHAPE, degree)
    assert got.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(got, blurred(cells, degree), atol=1e-12)


def test_kl_cc_and_sim_are_those_of_scipy_and_a_loop():
    log_density, cells = density(), scoring.cell_indices(fixations(30), SHAPE)
    fixated = blurred(cells, 0.1)
    result = np.exp(log_density)
    assert scoring.kl(log_density, fixated) == pytest.approx(stats.entropy(fixated.ravel(), result.ravel(), base=2))
    assert scoring.cc(log_density, fixated) == pytest.approx(stats.pearsonr(fixated.ravel(), result.ravel()).statistic)
    expected = 1 - sum(abs(a - b) for a, b in zip(fixated.ravel(), result.ravel(), strict=True)) / 2
    assert scoring.sim(log_density, fixated) == pytest.approx(expected)


def test_the_map_of_fixations_itself_has_the_best_kl_cc_and_sim():
    fixated = scoring.blur_fixations(scoring.cell_indices(fixations(30), SHAPE), SHAPE, 0.2)
    got = (
        scoring.kl(np.log(fixated), fixated),
        scoring.cc(np.log(fixated), fixated),
        scoring.sim(np.log(fixated), fixated),
    )
    assert got == pytest.approx((0, 1, 1), abs=1e-12)


def test_kl_is_infinite_only_where_fixations_fall_on_a_density_of_zero():
    half = np.full(SHAPE, -np.inf)
    half[:, :6] = -math.log(54)
    left, right = np.zeros(SHAPE), np.zeros(SHAPE)
    left[2, 2], right[2, 9] = 1, 1
    assert scoring.kl(half, left) == pytest.approx(math.log2(54))
    assert scoring.kl(half, right) == math.inf


def test_the_figures_are_means_over_the_fixations_of_an_image():
    log_density, points = density(), fixations(30)
    cells = scoring.cell_indices(points, SHAPE)
    fixated = scoring.blur_fixations(cells, SHAPE, 0.1)
    values = log_density.ravel()[cells]
    got = scoring.score_density(log_density, points, 0.1)
    assert got.ll == pytest.approx(sum(values / math.log(2) + math.log2(CELLS)) / len(points))
    assert got.auc == pytest.approx(sum(scoring.auc(log_density, cells)) / len(points))
    assert got.nss == pytest.approx(sum(scoring.nss(log_density, cells)) / len(points))
    one_by_one = (scoring.kl(log_density, fixated), scoring.cc(log_density, fixated), scoring.sim(log_density, fixated))
    assert got[3:] == one_by_one


def test_images_count_alike_however_many_fixations_they_have():
    log_density = density()
    order = log_density.ravel().argsort()
    corner = np.array([[cell % 12, cell // 12] for cell in order], np.float32) * CELL
    few, many = corner[-1:], np.repeat(corner[:1], 99, axis=0)
    of_images = np.mean([scoring.score_density(log_density, points, 0.1).ll for points in (few, many)])
    of_fixations = scoring.score_density(log_density, np.concatenate([few, many]), 0.1).ll
    best, worst = (log_density.ravel()[order[index]] / math.log(2) + math.log2(CELLS) for index in (-1, 0))
    assert of_images == pytest.approx((best + worst) / 2)
    assert of_fixations == pytest.approx((best + 99 * worst) / 100)


def test_the_same_density_for_each_fixation_has_the_figures_of_one():
    log_density, points = density(), fixations(30)
    stack = np.tile(log_density, (len(points), 1, 1))
    assert scoring.score_conditional_densities(stack, points, 0.1) == pytest.approx(
        scoring.score_density(log_density, points, 0.1)
    )


def test_each_fixation_is_scored_by_its_own_density_and_the_map_by_their_mean():
    points = fixations(9)
    stack = density(3, shape=(len(points), *SHAPE))
    got = scoring.score_conditional_densities(stack.astype(np.float32), points, 0.1)
    each = [scoring.score_density(one, point[None], 0.1) for one, point in zip(stack, points, strict=True)]
    mean = scoring.score_density(np.log(np.exp(stack).mean(axis=0)), points, 0.1)
    assert got[:3] == pytest.approx(np.mean(each, axis=0)[:3], abs=1e-5)
    assert got[3:] == pytest.approx(mean[3:], abs=1e-5)


def test_bias_information_is_zero_of_uniform_and_all_there_is_of_one_cell():
    assert scoring.bias_information(uniform()) == pytest.approx(0, abs=1e-12)
    assert scoring.bias_information(one_cell()) == pytest.approx(math.log2(CELLS))


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1e-4, 1.0, 30.0])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_bias_information_is_never_negative_and_what_scipy_says(scale: float, kind: type):
    stack = density(5, scale, (200, *SHAPE)).astype(kind)
    got = scoring.bias_information(stack)
    flat = np.exp(stack.astype(np.float64)).reshape(200, -1)
    assert got.shape == (200,)
    assert (got >= 0).all()
    np.testing.assert_allclose(got, math.log2(CELLS) - stats.entropy(flat, base=2, axis=1), atol=1e-12)


def test_bias_information_is_the_same_on_cells_and_on_pixels():
    pixels = np.kron(density(), np.ones((CELL, CELL))) - math.log(CELL**2)
    assert scoring.bias_information(pixels) == pytest.approx(scoring.bias_information(density()))


def mean_density_bits(log_densities: np.ndarray) -> float:
    """Compute the bias information of the mean density, as the probes report it."""
    return Bias(scoring.bias_information(log_densities), np.exp(log_densities).mean(axis=0)).mean_density_bits


def test_the_bias_of_the_mean_is_that_of_the_mean_density():
    half = np.full((2, *SHAPE), -np.inf)
    half[0, :, :6] = half[1, :, 6:] = -math.log(54)
    assert scoring.bias_information(half) == pytest.approx([1, 1])
    assert mean_density_bits(half) == pytest.approx(0, abs=1e-12)
    stack = density(6, shape=(5, *SHAPE))
    expected = math.log2(CELLS) - stats.entropy(np.exp(stack).mean(axis=0).ravel(), base=2)
    assert mean_density_bits(stack) == pytest.approx(expected)
    assert mean_density_bits(stack) < scoring.bias_information(stack).min()
