"""One split of micrographs: its pixels, its points, what training is told of, what thresholds are chosen on."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.support.repository import ROOT
from trainables.settings import UsageError
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.data import _hiding, load, prepare
from trainables.unet_selftrain.micrographs import CLIP, Micrographs, downsampled, standardised, stored, z_score

SMALL = {"train_size": 4, "val_size": 4, "size": 64, "radius": 5.0}


def split(which="train", downsample=1, **settings) -> Micrographs:
    return load(Config(downsample=downsample), Data(**{**SMALL, **settings}), which)


def disc(size: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (np.hypot(x - centre[0], y - centre[1]) <= radius).astype(float)


# pixels


def test_blocks_are_averaged_and_the_remainder_is_left_out():
    values = np.random.default_rng(0).normal(size=(11, 13))
    expected = np.array([[values[3 * y : 3 * y + 3, 3 * x : 3 * x + 3].mean() for x in range(4)] for y in range(3)])
    scores = z_score(standardised(values, 3))
    assert scores.shape == (3, 4)
    bulk = expected.clip(*np.percentile(expected, [0.1, 99.9]))
    np.testing.assert_allclose(scores, (expected - bulk.mean()) / bulk.std(), atol=0.5 / 25.5 + 1e-5)


def test_a_hot_pixel_changes_no_other_pixels_score():
    values = np.random.default_rng(0).normal(1000, 5, (200, 200))
    cold = z_score(standardised(values, 1))
    values[50, 60] = 60_000
    hot = z_score(standardised(values, 1))
    assert hot[50, 60] == CLIP
    hot[50, 60] = cold[50, 60]
    np.testing.assert_allclose(hot, cold, atol=1 / 25)
    assert abs(cold.std() - 1) < 0.02


def test_scores_do_not_depend_on_brightness_or_contrast_and_small_contrast_survives_a_large_offset():
    values = np.random.default_rng(0).normal(size=(100, 100))
    expected = standardised(values, 2).astype(int)
    for changed in (values * 1e-3, values * 300 + 5000, values * 3 + 30_000):
        assert abs(standardised(changed, 2).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("values", [np.full((9, 9), 7), np.array([[0.0, np.nan]] * 2), np.ones((2, 2))[:, :0]])
def test_what_has_no_z_score_is_an_error(values):
    with pytest.raises(ValueError, match=r"is constant|not finite|smaller than"):
        standardised(values, 1)


def test_a_micrograph_smaller_than_a_block_is_an_error():
    with pytest.raises(ValueError, match="smaller than a square of 4"):
        standardised(np.arange(9.0).reshape(3, 3), 4)


# points


@pytest.mark.parametrize("downsample", [1, 2, 3, 4])
def test_a_downsampled_particle_lies_where_its_centre_is_mapped_to(downsample):
    centre = (61.0, 40.0)
    shrunk = disc(120, centre, 12).reshape(120 // downsample, downsample, -1, downsample).mean(axis=(1, 3))
    y, x = np.indices(shrunk.shape)
    found = [(x * shrunk).sum() / shrunk.sum(), (y * shrunk).sum() / shrunk.sum()]
    np.testing.assert_allclose(downsampled(np.array([centre], np.float32), downsample)[0], found, atol=0.01)


@pytest.mark.parametrize("downsample", [1, 2, 7])
def test_points_return_from_downsampling(downsample):
    points = np.random.default_rng(0).uniform(0, 4000, (50, 2)).astype(np.float32)
    micrographs = split(downsample=downsample)
    np.testing.assert_allclose(micrographs.stored(micrographs.centres(points)), points, atol=1e-3)
    np.testing.assert_allclose(stored(downsampled(points, downsample), downsample), points, atol=1e-3)


def test_no_point_stays_no_point():
    assert downsampled(np.empty((0, 2), np.float32), 2).shape == (0, 2)


# what training is told of


def test_hidden_particles_are_not_among_the_known_and_none_is_lost():
    whole, part = split(label_share=1), split(label_share=0.4)
    assert sum(map(len, part.known)) == pytest.approx(0.4 * sum(map(len, whole.known)), abs=2)
    for place in range(len(whole)):
        known, hidden, every = (
            set(map(tuple, each)) for each in (part.known[place], part.hidden[place], whole.known[place])
        )
        assert not known & hidden
        assert known | hidden == every == set(map(tuple, part.truth(place)))
        assert not len(whole.hidden[place])


def test_a_smaller_share_is_part_of_a_larger_one():
    shares = [split(label_share=share) for share in (0.2, 0.5, 0.9)]
    for place in range(len(shares[0])):
        small, middle, large = (set(map(tuple, each.known[place])) for each in shares)
        assert small < middle < large


def test_the_seed_decides_what_is_hidden_and_neither_order_nor_other_micrographs_do():
    data = Data(**SMALL, label_share=0.5)
    whole = split()
    turned = replace(whole, known=[each[::-1] for each in whole.known]).select(np.array([False, True, True, True]))
    expected, found = _hiding(whole, data), _hiding(turned, data)
    other = _hiding(whole, replace(data, split_seed=1))
    for one, two in zip(expected.known[1:], found.known, strict=True):
        assert set(map(tuple, one)) == set(map(tuple, two))
    assert any(len(one) != len(two) or (one != two).any() for one, two in zip(expected.known, other.known, strict=True))


def test_validation_and_test_hide_nothing():
    for which in ("val", "test"):
        assert not any(map(len, split(which, label_share=0.2).hidden))


def test_a_share_that_leaves_no_particle_is_an_error():
    with pytest.raises(UsageError, match=r"data\.label_share=0\.0 leaves training none of its \d+ particles"):
        split(label_share=0.0)


# calibration, subsets, facts


def test_what_is_not_said_is_half_of_synthetic_particles_and_all_real_ones(tmp_path):
    assert Data().known_share == 0.5
    assert Data(source="micrographs", root=str(tmp_path)).known_share == 1.0
    assert Data(label_share=0.2).known_share == 0.2
    assert (Data().particle_radius, Data(radius=7).particle_radius) == (10.0, 7.0)


def test_an_encoder_and_weights_that_are_not_there_are_told_before_any_trial():
    with pytest.raises(UsageError, match="network=resnet19 is no encoder of timm"):
        prepare(Config(network="resnet19"), Data(**SMALL), ("train",))
    with pytest.raises(UsageError, match="weights=/nope"):
        prepare(Config(network="resnet18", weights="/nope"), Data(**SMALL), ("train",))


def test_validation_alone_has_calibration_micrographs_and_others():
    assert not split("train").calibration.any()
    assert not split("test").calibration.any()
    for share in (0.1, 0.5, 0.9):
        assert 0 < split("val", calibration_share=share, val_size=2).calibration.sum() < 2
    assert split("val", calibration_share=0.25).calibration.sum() == 1


def test_only_keeps_every_list_in_step():
    micrographs = split("val", label_share=0.5)
    kept = np.array([False, True, False, True])
    some = micrographs.select(kept)
    assert some.names == ["val_001", "val_003"]
    np.testing.assert_array_equal(some.calibration, micrographs.calibration[kept])
    for new, old in enumerate((1, 3)):
        assert some.images[new] is micrographs.images[old]
        np.testing.assert_array_equal(some.truth(new), micrographs.truth(old))
    assert len(some) == 2


def test_arrays_cannot_be_written_and_an_image_is_a_copy():
    micrographs = split()
    for array in (micrographs.images[0], micrographs.known[0], micrographs.calibration):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    image = micrographs.image(0)
    image[:] = 0
    assert image.dtype == np.float32
    assert micrographs.image(0).any()


def test_a_split_says_what_it_holds():
    micrographs = split(label_share=0.5)
    facts = micrographs.describe()
    assert facts["micrographs"] == 4
    assert facts["known_particles"] + facts["hidden_particles"] == sum(map(len, split(label_share=1).known))
    points = micrographs.truth(0)
    distances = np.hypot(*(points[:, None] - points).transpose(2, 0, 1)) + 1e9 * np.eye(len(points))
    assert micrographs.select(np.arange(4) == 0).spacing() == pytest.approx(np.median(distances.min(axis=1)), rel=1e-5)
    none = [np.empty((0, 2), np.float32)] * 4
    assert replace(micrographs, known=none, hidden=none).describe()["spacing_px"] is None


def test_the_fingerprint_changes_with_pixels_points_and_what_is_hidden():
    micrographs = split(label_share=0.5)
    pixels = [each.copy() for each in micrographs.images]
    pixels[2][5, 5] ^= 1
    moved = [each + np.float32(place == 1) for place, each in enumerate(micrographs.known)]
    prints = [
        each.describe()["fingerprint"]
        for each in (
            micrographs,
            replace(micrographs, images=pixels),
            replace(micrographs, known=moved),
            replace(micrographs, known=micrographs.hidden, hidden=micrographs.known),
            split(downsample=2, label_share=0.5),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert split(label_share=0.5).describe()["fingerprint"] == prints[0]


def test_preparing_twice_makes_a_split_once():
    config, data = Config(), Data(**SMALL, split_seed=99)
    prepare(config, data, ("train", "val"))
    assert load(config, data, "val") is load(replace(config, lr=0.5), data, "val")


def test_preparing_micrographs_imports_no_torch():
    code = "import sys, trainables.unet_selftrain.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
