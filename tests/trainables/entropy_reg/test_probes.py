"""Images without content: which colours training never has, and what scrambling keeps and takes away."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from trainables.entropy_reg import probes
from trainables.entropy_reg.probes import scramble_phases, texture, uniform_for_training, uniform_held_out

DOT = (1, 1)
KINDS = ("grey3", "grey", "rgb_random")
MANY = 60_000


def pictures(count: int = 3, shape: tuple[int, int] = (48, 64), contrast: float = 30.0) -> np.ndarray:
    """Smooth, coloured and unlike each other."""
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.standard_normal((count, *shape, 3)), (0, 3, 3, 0.6))
    return np.clip(110 + contrast * noise / noise.std(), 0, 255).astype(np.uint8)


def amplitudes(image: np.ndarray) -> np.ndarray:
    """Return the deviations from the mean, `[H, W, 3]`."""
    return np.abs(np.fft.fft2(image - image.mean(axis=(0, 1)), axes=(0, 1)))


def blocks(images: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in np.unique(images.reshape(-1, 3) // 16, axis=0).tolist()}


def greys(images: np.ndarray) -> set[int]:
    """Those of the colours that are grey."""
    colours = images.reshape(-1, 3)
    return set(colours[(colours == colours[:, :1]).all(axis=1), 0].tolist())


def test_the_three_intensities_come_in_turn():
    got = uniform_for_training("grey3", 7, (2, 3), seed=5)
    assert got.shape == (7, 2, 3, 3)
    assert got[:, 1, 2].tolist() == [[level] * 3 for level in (0, 128, 255, 0, 128, 255, 0)]


@pytest.mark.parametrize("count", [1, 6, 7])
def test_each_image_has_one_colour(count: int):
    output = [uniform_for_training(kind, count, (5, 4), seed=1) for kind in KINDS]
    for images in [*output, uniform_held_out(count, (5, 4), seed=1)]:
        assert images.shape == (count, 5, 4, 3)
        assert images.dtype == np.uint8
        assert (images == images[:, :1, :1]).all()


def test_training_and_held_out_greys_are_all_greys_and_none_is_both():
    trained = greys(uniform_for_training("grey", MANY, DOT, seed=0)) | greys(
        uniform_for_training("grey3", 3, DOT, seed=0)
    )
    never = greys(uniform_held_out(MANY, DOT, seed=0)[: MANY // 2])
    assert len(trained) == 192
    assert trained | never == set(range(256))
    assert not trained & never


def test_training_and_held_out_colours_are_all_blocks_of_colours_and_none_is_both():
    trained = blocks(uniform_for_training("rgb_random", MANY, DOT, seed=0))
    never = blocks(uniform_held_out(MANY, DOT, seed=0))
    assert trained | never == set(itertools.product(range(16), repeat=3))
    assert not trained & never
    assert not never & (
        blocks(uniform_for_training("grey", MANY, DOT, 0)) | blocks(uniform_for_training("grey3", 3, DOT, 0))
    )
    assert len(never) == 1024


def test_the_rule_is_that_of_the_images_for_every_block():
    never = blocks(uniform_held_out(MANY, DOT, seed=3))
    colours = np.array(list(itertools.product(range(7, 256, 16), repeat=3)), np.uint8)
    assert {tuple(colour // 16) for colour in colours[probes.held_out(colours)]} == never
    assert probes.held_out(np.array([[15, 15, 15], [16, 16, 16], [31, 31, 31], [32, 32, 32]], np.uint8)).tolist() == [
        False, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: uniform_for_training("rgb_random", MANY, DOT, seed),
        lambda seed: uniform_held_out(MANY, DOT, seed)[MANY // 2 :],
    ],
)
def test_every_level_of_every_channel_is_as_likely_as_others(make):
    colours = make(0).reshape(-1, 3)
    for channel in colours.T:
        counts = np.bincount(channel, minlength=256)
        expected = len(colours) / 256
        assert ((counts - expected) ** 2 / expected).sum() < 400  # chi square of 255 degrees: 1e-8


def test_half_of_the_held_out_are_different_greys_and_half_are_colours():
    got = uniform_held_out(17, DOT, seed=2)[:, 0, 0]
    grey = (got == got[:, :1]).all(axis=1)
    assert grey.tolist() == [True] * 9 + [False] * 8
    assert probes.held_out(got).all()
    assert len(greys(uniform_held_out(128, DOT, seed=2)[:64])) == 64


def test_a_seed_gives_the_same_images_again_and_another_one_others():
    for make in (
        lambda seed: uniform_for_training("grey", 20, DOT, seed),
        lambda seed: uniform_for_training("rgb_random", 20, DOT, seed),
        lambda seed: uniform_held_out(20, DOT, seed),
        lambda seed: scramble_phases(pictures(), seed),
        lambda seed: texture(2, (16, 24), seed),
    ):
        np.testing.assert_array_equal(make(1), make(1))
        assert (make(1) != make(2)).any()


@pytest.mark.parametrize("shape", [(48, 64), (47, 63), (48, 63)])
def test_scrambling_keeps_amplitudes_and_means_up_to_rounding(shape: tuple[int, int]):
    images = pictures(shape=shape, contrast=20)
    for before, after in zip(images, scramble_phases(images, seed=0), strict=True):
        assert after.min() > 0 and after.max() < 255
        rounding = np.sqrt(before.size / 3 / 12)
        assert np.abs(amplitudes(after) - amplitudes(before)).max() < 6 * rounding
        assert amplitudes(before).max() > 60 * rounding
        np.testing.assert_allclose(after.mean(axis=(0, 1)), before.mean(axis=(0, 1)), atol=0.1)


def test_scrambling_takes_everything_from_its_place():
    images = pictures(8)
    for before, after in zip(images, scramble_phases(images, seed=0), strict=True):
        assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.5
    content = np.full((200, 32, 32, 3), 100, np.uint8)
    content[:, 12:20, 12:20] = 160
    spread = scramble_phases(content, seed=0).astype(float).std(axis=0)
    assert spread[12:20, 12:20].mean() == pytest.approx(spread[:8].mean(), rel=0.1)


def test_each_image_is_scrambled_by_phases_of_its_own():
    twins = scramble_phases(np.repeat(pictures(1), 2, axis=0), seed=0)
    assert abs(np.corrcoef(twins[0].ravel(), twins[1].ravel())[0, 1]) < 0.5


def test_scrambling_keeps_how_channels_go_together():
    image = np.repeat(pictures(1, contrast=20)[..., :1], 3, axis=-1)
    image[..., 1] = 220 - image[..., 1]
    after = scramble_phases(image, seed=0)[0].reshape(-1, 3).T
    assert np.corrcoef(after)[0] == pytest.approx([1, -1, 1], abs=0.01)
    for before, now in zip(pictures(contrast=20), scramble_phases(pictures(contrast=20), seed=1), strict=True):
        np.testing.assert_allclose(np.corrcoef(now.reshape(-1, 3).T), np.corrcoef(before.reshape(-1, 3).T), atol=0.01)


def test_a_stark_image_loses_contrast_and_no_more_than_the_named_share_is_cut_off():
    image = np.zeros((1, 64, 64, 3), np.uint8)
    image[:, 20:40, 30:60] = (255, 200, 90)
    after = scramble_phases(image, seed=0)[0]
    low, high = after == 0, after == 255
    assert (low | high).mean() < 0.03  # cut off, or near enough to be rounded
    assert after.std(axis=(0, 1)).max() < image[0].std(axis=(0, 1)).max() * 0.8
    np.testing.assert_allclose(after.mean(axis=(0, 1)), image[0].mean(axis=(0, 1)), atol=1)
    ratio = after.std(axis=(0, 1)) / image[0].std(axis=(0, 1))
    assert ratio == pytest.approx(np.full(3, ratio.mean()), rel=0.05)  # of all channels alike


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 17)])
def test_an_image_of_one_colour_stays_as_it_is(colour: tuple[int, int, int]):
    image = np.tile(np.array(colour, np.uint8), (1, 8, 12, 1))
    np.testing.assert_array_equal(scramble_phases(image, seed=0), image)


def test_a_channel_that_is_black_costs_the_others_no_contrast():
    image = pictures(1, contrast=20)
    with_black = image.copy()
    with_black[..., 2] = 0
    np.testing.assert_array_equal(scramble_phases(with_black, 0)[..., :2], scramble_phases(image, 0)[..., :2])
    assert not scramble_phases(with_black, 0)[..., 2].any()


@pytest.mark.parametrize("shape", [(64, 96), (63, 95)])
def test_a_texture_is_grey_faint_and_around_a_held_out_grey(shape: tuple[int, int]):
    got = texture(12, shape, seed=0)
    assert got.shape == (12, *shape, 3)
    assert (got == got[..., :1]).all()
    means = got[..., 0].mean(axis=(1, 2))
    assert probes.held_out(np.rint(got.mean(axis=(1, 2))).astype(np.uint8)).all()
    assert means.std() > 5
    assert (means.round() != texture(12, shape, seed=1)[..., 0].mean(axis=(1, 2)).round()).any()
    np.testing.assert_allclose(got[..., 0].std(axis=(1, 2)), probes.CONTRAST, atol=0.1)
    assert got.min() > 0 and got.max() < 255


def test_a_texture_s_amplitudes_fall_as_one_over_frequency_in_all_directions():
    power = np.mean([amplitudes(image)[..., 0] ** 2 for image in texture(40, (64, 64), seed=0)], axis=0)
    for low, high in ((power[2, 0], power[8, 0]), (power[0, 2], power[0, 8]), (power[2, 2], power[8, 8])):
        assert np.sqrt(low / high) == pytest.approx(4, rel=0.4)
    assert power[4, 0] / power[0, 4] == pytest.approx(1, rel=0.8)
