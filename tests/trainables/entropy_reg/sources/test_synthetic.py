"""Synthetic viewers look where the closed form says, whatever their bias, and twins see the same images."""

import numpy as np
import pytest
from scipy import stats

from tests.support.tiny_gaze import config
from trainables.entropy_reg.config import Data
from trainables.entropy_reg.scoring import cell_indices
from trainables.entropy_reg.sources import synthetic
from trainables.entropy_reg.sources.synthetic import load, log_bias, log_proximity, normalise

SMALL = {"train_size": 8, "val_size": 4, "viewers": 3, "fixations": 4}
SHAPE = (24, 32)


def count_fixations(**values) -> tuple[np.ndarray, np.ndarray]:
    """Count the fixations in each of the 6 × 8 cells of an image; also return the density in closed form."""
    data = Data(**{**SMALL, "viewers": 400, "fixations": 20, "val_size": 4, **values})
    split = load(config(image_size=32), data, "val")
    counts = np.bincount(cell_indices(split.fixations[2].points, (6, 8)), minlength=48)
    return counts, np.exp(normalise(split.truth[2] + log_bias(data.bias, SHAPE))).ravel()


@pytest.mark.parametrize("bias", ["centre", "none", "corner"])
def test_very_many_viewers_look_where_the_closed_form_says(bias):
    counts, density = count_fixations(bias=bias)
    assert density.sum() == pytest.approx(1, abs=1e-12)
    assert counts.sum() == 8000
    order = np.argsort(density)  # cells of little density are counted together
    starts = np.flatnonzero(np.diff(np.floor(np.cumsum(density[order]) * 200), prepend=-1))
    observed, expected = (np.add.reduceat(each[order], starts) for each in (counts, 8000 * density))
    assert len(starts) > 15
    assert stats.chisquare(observed, expected).pvalue > 1e-3


@pytest.mark.parametrize("other", ["none", "corner"])
def test_another_bias_is_told_apart_from_the_right_one(other):
    counts, density = count_fixations(bias="centre")
    wrong = count_fixations(bias=other)[1]
    distance = [0.5 * np.abs(counts / counts.sum() - each).sum() for each in (density, wrong)]
    assert distance[0] < 0.04
    assert distance[1] > 0.15


def test_the_bias_is_a_gaussian_of_shares_around_the_middle_or_a_corner():
    centre, corner = (np.exp(log_bias(bias, (480, 640))) for bias in ("centre", "corner"))
    for density, middle in ((centre, 0.5), (corner, 0.28)):
        row, column = np.unravel_index(density.argmax(), density.shape)
        assert ((row + 0.5) / 120, (column + 0.5) / 160) == pytest.approx((middle, middle), abs=0.006)
    np.testing.assert_allclose(centre, centre[::-1, ::-1])
    row = centre[60] / centre[60].max()
    at = (np.arange(160) + 0.5) / 160
    np.testing.assert_allclose(row, stats.norm.pdf(at, 0.5, 0.2) / stats.norm.pdf(0, 0, 0.2), rtol=1e-3)
    assert not log_bias("none", (480, 640)).any()


@pytest.mark.parametrize("bias", ["none", "corner"])
def test_a_twin_has_the_same_images_and_other_fixations(bias):
    home, away = (load(config(image_size=64), Data(**SMALL, bias=each), "test") for each in ("centre", bias))
    assert home.key == away.key
    for one, other in zip(home.pixels, away.pixels, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(home.truth, away.truth, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all((one.points != other.points).any() for one, other in zip(home.fixations, away.fixations, strict=True))


def test_a_number_of_viewers_changes_no_image_and_a_seed_changes_all():
    home = load(config(image_size=64), Data(**SMALL), "train")
    more = load(config(image_size=64), Data(**{**SMALL, "viewers": 5, "saccade": 0.1}), "train")
    assert home.key == more.key
    assert all((one == other).all() for one, other in zip(home.pixels, more.pixels, strict=True))
    other = load(config(image_size=64), Data(**SMALL, split_seed=1), "train")
    assert other.key != home.key
    assert not any((one == two).all() for one, two in zip(home.pixels, other.pixels, strict=True))


def test_the_same_settings_give_the_same_images_and_fixations_and_splits_share_none():
    data = Data(**SMALL)
    found = {}
    for split in ("train", "val", "test"):
        first = load(config(image_size=64), data, split)
        again = load(config(image_size=64), data, split)
        assert first is not again
        for one, other in zip(first.pixels, again.pixels, strict=True):
            np.testing.assert_array_equal(one, other)
        for one, other in zip(first.fixations, again.fixations, strict=True):
            np.testing.assert_array_equal(one.points, other.points)
        found[split] = {each.tobytes() for each in first.pixels}
        assert len(first) == len(found[split]) == (8 if split == "train" else 4)
    assert len(set().union(*found.values())) == 16


def test_images_are_read_only_and_fixations_inside_with_as_many_as_asked_for():
    split = load(config(image_size=64), Data(**SMALL, first_fixation="history"), "train")
    for pixels, each in zip(split.pixels, split.fixations, strict=True):
        assert (pixels.shape, pixels.dtype) == ((48, 64, 3), np.uint8)
        assert not pixels.flags.writeable
        assert len(each.points) == 3 * 4
        assert not np.isnan(each.history[:, 0]).any()  # the first one is history alone, so each has one before it
        assert (each.points >= 0).all()
        assert (each.points < (64, 48)).all()


def steps(saccade: float) -> np.ndarray:
    """Measure the distances from one fixation to the next in pixels, over many viewers."""
    split = load(config(image_size=64), Data(**{**SMALL, "viewers": 40, "fixations": 6, "saccade": saccade}), "val")
    every = [np.linalg.norm(each.points - each.history[:, 0], axis=1) for each in split.fixations]
    distances = np.concatenate(every)
    return distances[~np.isnan(distances)]


def test_with_a_saccade_the_next_fixation_is_near_the_last_one():
    far, near = steps(0.0), steps(0.05)
    assert len(far) == len(near) == 4 * 40 * 5
    assert np.median(near) < 6  # a deviation of 3.2 pixels: a median of 3.8, and cells of 4
    assert np.median(far) > 12


def test_a_reach_is_a_gaussian_around_the_last_fixation_and_nothing_without_one():
    found = log_proximity(np.array([18.0, 10.0]), 0.1, (48, 64))
    assert np.unravel_index(found.argmax(), found.shape) == (2, 4)  # the cell whose middle is at (18, 10)
    assert found[2, 4] == 0
    assert found[2, 5] == pytest.approx(-(4**2) / (2 * 6.4**2))
    assert found[5, 4] == pytest.approx(-(12**2) / (2 * 6.4**2))
    for last, saccade in (([np.nan, np.nan], 0.1), ([18.0, 10.0], 0.0)):
        assert not log_proximity(np.array(last), saccade, (48, 64)).any()


def test_red_blobs_attract_more_than_blue_ones():
    """Compare pixels: without bias, those that viewers fixate are redder than the image as a whole."""
    data = Data(**{**SMALL, "viewers": 60, "bias": "none", "noise": 0.0, "train_size": 12})
    split = load(config(image_size=64), data, "train")
    redder = []
    for pixels, each in zip(split.pixels, split.fixations, strict=True):
        red = pixels[..., 0].astype(float) - pixels[..., 2]
        column, row = each.points.astype(int).T
        redder.append(red[row, column].mean() - red.mean())
    assert np.mean(redder) > 10


def test_a_log_density_of_any_height_is_normalised():
    for shift in (-1e4, 0.0, 1e4):
        found = normalise(np.array([[0.0, np.log(3)]]) + shift)
        np.testing.assert_allclose(np.exp(found), [[0.25, 0.75]], rtol=1e-9)
    assert synthetic.SPREAD == 0.2
