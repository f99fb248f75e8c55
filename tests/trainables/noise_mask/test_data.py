"""One split of noise_mask's data: what is in it, what is shared, what it says of itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.support.repository import ROOT
from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.data import load_split, prepare
from trainables.noise_mask.split import ClassImages, choose_per_class
from trainables.settings import UsageError

SMALL, FEW = Config(image_size=16, grid=4), Data(train_size=60, val_size=30)


def test_batches_are_copies_in_the_order_asked_for_and_everything_shared_is_read_only():
    train = load_split(SMALL, FEW, "train")
    images, labels = train.batch([3, 1, 3])
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(images, train.images[[3, 1, 3]])
    np.testing.assert_array_equal(labels, train.labels[[3, 1, 3]])
    images[:], labels[:] = 0, 7
    assert train.images[3].any()
    assert train.labels.max() == 2
    for shared in (train.images, train.rows, train.labels, train.cue, train.modality):
        with pytest.raises(ValueError, match="read-only"):
            shared[...] = 0


def test_only_keeps_what_belongs_together():
    train = load_split(SMALL, FEW, "train")
    selection = np.arange(60) % 7 == 2
    chosen = train.select(selection).select(np.array([False] + [True] * 8))
    indices = np.flatnonzero(selection)[1:]
    assert len(chosen) == 8
    assert chosen.names == [train.names[index] for index in indices]
    np.testing.assert_array_equal(chosen.batch([0, 7])[0], train.images[indices[[0, 7]]])
    for one, other in [(chosen.labels, train.labels), (chosen.cue, train.cue), (chosen.modality, train.modality)]:
        np.testing.assert_array_equal(one, other[indices])
    assert (chosen.mean, chosen.std) == (train.mean, train.std)


def test_what_is_not_synthetic_has_neither_cue_nor_modality():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    plain = ClassImages(images=images, rows=np.arange(2), labels=np.array([0, 1]), classes=("a", "b"), names=["x", "y"])
    chosen = plain.select(np.array([False, True]))
    assert (chosen.cue, chosen.modality) == (None, None)
    assert chosen.names == ["y"]


def test_mean_and_deviation_are_those_of_training_in_every_split():
    train, val, test = (load_split(SMALL, FEW, split) for split in ("train", "val", "test"))
    pixels = train.images / 255
    assert train.mean == pytest.approx(pixels.mean(), rel=1e-5)
    assert train.std == pytest.approx(pixels.std(), rel=1e-4)
    for other in (val, test):
        assert (other.mean, other.std) == (train.mean, train.std)
    assert abs((val.images / 255).mean() - val.mean) > 1e-5


def test_of_many_images_an_even_sample_is_measured():
    train = load_split(SMALL, Data(train_size=1500), "train")
    sample = train.images[np.linspace(0, 1499, 512).astype(int)] / 255
    assert train.mean == pytest.approx(sample.mean(), rel=1e-5)
    assert train.mean != pytest.approx((train.images / 255).mean(), rel=1e-5)
    assert train.mean == pytest.approx((train.images / 255).mean(), abs=0.02)


def test_description_counts_every_class_even_one_without_images():
    train = load_split(SMALL, FEW, "train")
    described = train.select(train.labels != 2).describe()
    assert described["images"] == 40
    assert described["images_of_class"] == {"disc": 20, "square": 20, "triangle": 0}
    assert described["left_out"] == 0


def test_the_fingerprint_changes_with_pixels_labels_names_and_rows():
    train = load_split(SMALL, FEW, "train")
    pixels, labels = train.images.copy(), train.labels.copy()
    pixels[2, 5, 5] ^= 1
    labels[[0, 1]] = labels[[1, 0]] if labels[0] != labels[1] else labels[[2, 2]]
    selection = np.arange(60) != 4
    prints = [
        each.describe()["fingerprint"]
        for each in (
            train,
            replace(train, images=pixels),
            replace(train, labels=labels),
            replace(train, names=[f"{name}x" for name in train.names]),
            replace(train, classes=("a", "b", "c")),
            train.select(selection),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert load_split(SMALL, replace(FEW, val_share=0.3), "train").describe()["fingerprint"] == prints[0]


def test_the_first_of_each_class_are_marked_and_a_class_with_fewer_is_named():
    labels = np.array([1, 0, 1, 1, 0, 0])
    np.testing.assert_array_equal(choose_per_class(labels, 2, ("a", "b")), [1, 1, 1, 0, 1, 0])
    with pytest.raises(UsageError, match=r"data\.train_per_class=1 .* the 0 training images of the class c: lower it"):
        choose_per_class(labels, 1, ("a", "b", "c"))


def test_preparing_twice_makes_a_split_once_per_size_and_channels():
    data = replace(FEW, split_seed=99)
    prepare(SMALL, data, ("train", "val"))
    assert load_split(SMALL, data, "val") is load_split(replace(SMALL, lr=0.5), data, "val")
    assert load_split(replace(SMALL, channels=3), data, "val").images.shape == (30, 16, 16, 3)
    assert load_split(replace(SMALL, image_size=20), data, "val").images.shape == (30, 20, 20, 1)


def test_preparing_images_imports_no_torch():
    code = "import sys, trainables.noise_mask.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
