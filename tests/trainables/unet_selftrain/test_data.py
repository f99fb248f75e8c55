"""One split of micrographs: what training knows of it, and the part on which thresholds are chosen."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.support.repository import ROOT
from trainables.registry import load
from trainables.settings import UsageError
from trainables.unet_selftrain.config import Config, Data
from trainables.unet_selftrain.data import hide_particles, load_split, prepare
from trainables.unet_selftrain.split import Micrographs

SMALL = {"train_size": 4, "val_size": 4, "size": 64, "radius": 5.0}


def split(which="train", downsample=1, **settings) -> Micrographs:
    return load_split(Config(downsample=downsample), Data(**{**SMALL, **settings}), which)


@pytest.mark.parametrize("downsample", [1, 2, 7])
def test_a_split_s_points_return_from_downsampling(downsample):
    points = np.random.default_rng(0).uniform(0, 4000, (50, 2)).astype(np.float32)
    micrographs = split(downsample=downsample)
    np.testing.assert_allclose(micrographs.restore_points(micrographs.downsample_points(points)), points, atol=1e-3)


# known and hidden particles


def test_hidden_particles_are_not_among_the_known_and_none_is_lost():
    whole, part = split(label_share=1), split(label_share=0.4)
    assert sum(map(len, part.known_particles)) == pytest.approx(0.4 * sum(map(len, whole.known_particles)), abs=2)
    for index in range(len(whole)):
        known, hidden, every = (
            set(map(tuple, each))
            for each in (part.known_particles[index], part.hidden_particles[index], whole.known_particles[index])
        )
        assert not known & hidden
        assert known | hidden == every == set(map(tuple, part.particles(index)))
        assert not len(whole.hidden_particles[index])


def test_a_smaller_share_is_part_of_a_larger_one():
    shares = [split(label_share=share) for share in (0.2, 0.5, 0.9)]
    for index in range(len(shares[0])):
        small, middle, large = (set(map(tuple, each.known_particles[index])) for each in shares)
        assert small < middle < large


def test_the_seed_decides_what_is_hidden_and_neither_order_nor_other_micrographs_do():
    data = Data(**SMALL, label_share=0.5)
    whole = split()
    turned = replace(whole, known_particles=[each[::-1] for each in whole.known_particles]).select(
        np.array([False, True, True, True])
    )
    expected, found = hide_particles(whole, data), hide_particles(turned, data)
    other = hide_particles(whole, replace(data, split_seed=1))
    for one, two in zip(expected.known_particles[1:], found.known_particles, strict=True):
        assert set(map(tuple, one)) == set(map(tuple, two))
    assert any(
        len(one) != len(two) or (one != two).any()
        for one, two in zip(expected.known_particles, other.known_particles, strict=True)
    )


def test_validation_and_test_hide_nothing():
    for which in ("val", "test"):
        assert not any(map(len, split(which, label_share=0.2).hidden_particles))


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
    entry = load("unet_selftrain")
    with pytest.raises(UsageError, match="network=resnet19 is no model of timm: take plain, or one of"):
        entry.check(Config(network="resnet19"), Data(**SMALL))
    with pytest.raises(UsageError, match="weights=/nope"):
        entry.check(Config(network="resnet18", weights="/nope"), Data(**SMALL))


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
        np.testing.assert_array_equal(some.particles(new), micrographs.particles(old))
    assert len(some) == 2


def test_arrays_cannot_be_written_and_an_image_is_a_copy():
    micrographs = split()
    for array in (micrographs.images[0], micrographs.known_particles[0], micrographs.calibration):
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
    assert facts["known_particles"] + facts["hidden_particles"] == sum(map(len, split(label_share=1).known_particles))
    points = micrographs.particles(0)
    distances = np.hypot(*(points[:, None] - points).transpose(2, 0, 1)) + 1e9 * np.eye(len(points))
    assert micrographs.select(np.arange(4) == 0).spacing() == pytest.approx(np.median(distances.min(axis=1)), rel=1e-5)
    none = [np.empty((0, 2), np.float32)] * 4
    assert replace(micrographs, known_particles=none, hidden_particles=none).describe()["spacing_px"] is None


def test_the_fingerprint_changes_with_pixels_points_and_what_is_hidden():
    micrographs = split(label_share=0.5)
    pixels = [each.copy() for each in micrographs.images]
    pixels[2][5, 5] ^= 1
    moved = [each + np.float32(index == 1) for index, each in enumerate(micrographs.known_particles)]
    prints = [
        each.describe()["fingerprint"]
        for each in (
            micrographs,
            replace(micrographs, images=pixels),
            replace(micrographs, known_particles=moved),
            replace(
                micrographs, known_particles=micrographs.hidden_particles, hidden_particles=micrographs.known_particles
            ),
            split(downsample=2, label_share=0.5),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert split(label_share=0.5).describe()["fingerprint"] == prints[0]


def test_preparing_twice_makes_a_split_once():
    config, data = Config(), Data(**SMALL, split_seed=99)
    prepare(config, data, ("train", "val"))
    assert load_split(config, data, "val") is load_split(replace(config, lr=0.5), data, "val")


def test_preparing_micrographs_imports_no_torch():
    code = "import sys, trainables.unet_selftrain.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
