"""Synthetic micrographs: their ground truth is the truth."""

import numpy as np
import pytest

from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.downsampling import standardise
from trainables.unet_selftrain.sources.synthetic import PARTICLES, SNR, generate, load


@pytest.fixture(scope="module")
def samples():
    return [generate(np.random.default_rng(seed), 256, 10.0) for seed in range(20)]


def near(centres: np.ndarray, size: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (np.hypot(x - centres[:, :1, None], y - centres[:, 1:, None]) <= radius).any(axis=0)


def test_the_signal_to_noise_ratio_is_what_it_says(samples):
    for layers in samples:
        inside = near(layers.centres, 256, 10)
        measured = np.square(layers.particles[inside]).mean() / layers.noise.var()
        assert measured == pytest.approx(layers.snr, rel=1e-3)
        assert SNR[0] <= layers.snr <= SNR[1]
    assert np.ptp([layers.snr for layers in samples]) > 0.08


def test_particles_are_dark_spots_of_the_given_radius_at_their_centres(samples):
    for radius in (6.0, 10.0):
        profiles = []
        for seed in range(30):
            layers = generate(np.random.default_rng(seed), 256, radius)
            y, x = np.mgrid[:256, :256]
            for centre in layers.centres:
                alone = np.hypot(*(layers.centres - centre).T)
                if np.sort(alone)[1:2].min(initial=np.inf) < 4 * radius:
                    continue
                distance = np.hypot(x - centre[0], y - centre[1]) / radius
                profiles.append([layers.particles[abs(distance - at) < 0.06].mean() for at in (0.7, 0.94, 1.06, 1.3)])
        inside, rim, beyond, halo = np.mean(profiles, axis=0)
        assert len(profiles) > 50
        assert inside < rim < 0.2 * inside
        assert beyond > 0.5 * inside
        assert halo > 0


def test_a_particles_centre_of_mass_is_its_centre(samples):
    """To a tenth of a pixel: no half-pixel shift, x is the column."""
    errors = []
    for layers in samples:
        y, x = np.mgrid[:256, :256]
        for centre in layers.centres:
            others = np.hypot(*(layers.centres - centre).T)
            if np.sort(others)[1:2].min(initial=np.inf) < 33 or min(*centre, *(255 - centre)) < 12:
                continue
            weight = layers.particles * (np.hypot(x - centre[0], y - centre[1]) < 11)
            errors.append(
                [(x * weight).sum() / weight.sum() - centre[0], (y * weight).sum() / weight.sum() - centre[1]]
            )
    assert len(errors) > 20
    assert abs(np.mean(errors, axis=0)).max() < 0.1


def test_particles_keep_their_distance_from_each_other_and_off_the_ice_and_the_border(samples):
    for layers in samples:
        assert PARTICLES[0] <= len(layers.centres) <= PARTICLES[1]
        between = np.hypot(*(layers.centres[:, None] - layers.centres).transpose(2, 0, 1))
        assert between[~np.eye(len(between), dtype=bool)].min() >= 16
        assert layers.centres.min() >= 0
        assert layers.centres.max() <= 255
        assert abs(layers.ice[near(layers.centres, 256, 5)]).max() < 0.1


def test_ice_is_there_dark_and_bright_and_stands_out(samples):
    extremes = [(layers.ice.min(), layers.ice.max()) for layers in samples]
    assert min(low for low, _ in extremes) < -1.5
    assert max(high for _, high in extremes) > 1.5
    assert any(high - low < 0.01 for low, high in extremes)


def test_noise_has_more_power_at_low_frequencies_and_a_white_floor(samples):
    power = np.mean([abs(np.fft.fft2(layers.noise)) ** 2 for layers in samples], axis=0) / 256**2
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    bands = [(0.01, 0.02), (0.1, 0.2), (0.4, 0.5)]
    low, middle, high = (power[(frequency > start) & (frequency < end)].mean() for start, end in bands)
    assert low > 3 * middle > 3 * high > 3 * 0.7
    assert low / high < 15  # of the coloured part alone, it would be 30
    assert all(abs(layers.noise.std() - 1) < 1e-3 for layers in samples)


def test_splits_and_seeds_differ_and_repeat():
    data = Data(train_size=3, val_size=3, size=64, radius=5.0)
    for name, split in [("train", "train"), ("val", "val"), ("test", "test")]:
        one, two = load(Config(downsample=1), data, split), load(Config(downsample=1), data, split)
        np.testing.assert_array_equal(one.images, two.images)
        assert one.names[0] == f"{name}_000"
    first = [load(Config(downsample=1), data, split).images[0] for split in ("train", "val", "test")]
    first.append(load(Config(downsample=1), Data(train_size=3, size=64, radius=5.0, split_seed=1), "train").images[0])
    for index, image in enumerate(first):
        assert all((image != other).mean() > 0.5 for other in first[:index])


def test_more_micrographs_leave_the_first_ones_as_they_are():
    few, many = (load(Config(downsample=1), Data(train_size=count, size=64, radius=5.0), "train") for count in (2, 5))
    np.testing.assert_array_equal(few.images, many.images[:2])
    np.testing.assert_array_equal(few.known_particles[1], many.known_particles[1])


def test_downsampling_averages_the_same_micrograph_and_keeps_its_points():
    data = Data(train_size=2, size=100, radius=8.0)
    layers = generate(np.random.default_rng([0, 0, 1]), 100, 8.0)
    half = load(Config(downsample=3), data, "train")
    assert half.images[1].shape == (33, 33)
    np.testing.assert_array_equal(half.images[1], standardise(layers.noise + layers.particles + layers.ice, 3))
    np.testing.assert_array_equal(half.known_particles[1], layers.centres)


@pytest.mark.parametrize(("size", "radius"), [(64, 10.0), (64, 60.0), (256, 1.0)])
def test_a_micrograph_too_small_for_all_its_particles_has_fewer(size, radius):
    for seed in range(10):
        layers = generate(np.random.default_rng(seed), size, radius)
        assert 1 <= len(layers.centres) <= PARTICLES[1]
        assert np.isfinite(layers.particles).all()
