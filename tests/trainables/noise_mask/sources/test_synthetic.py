"""Synthetic shapes and their shortcut: what the corner tells, what the shape tells, and that the draw repeats."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from trainables.noise_mask.config import Config, Data
from trainables.noise_mask.sources import synthetic
from trainables.noise_mask.sources.synthetic import CLASSES, CORNERS, PATCH, RADIUS, draw_layout
from trainables.noise_mask.split import ClassImages
from trainables.settings import UsageError

MANY = Data(train_size=1500, val_size=1500)


def load(size: int, channels: int, data: Data, split: str) -> ClassImages:
    return synthetic.load(Config(image_size=size, channels=channels, grid=4), data, split)


@pytest.fixture(scope="module")
def train():
    return load(64, 1, MANY, "train")


@pytest.fixture(scope="module")
def val():
    return load(64, 1, MANY, "val")


def corners(images: np.ndarray) -> np.ndarray:
    """Average the brightness of the four corners, `[N, 4]`, and add a constant."""
    side = math.floor(PATCH * images.shape[1])
    grey = images[..., 0] / 255.0
    parts = [grey[:, :side, :side], grey[:, :side, -side:], grey[:, -side:, :side], grey[:, -side:, -side:]]
    return np.stack([*(part.mean(axis=(1, 2)) for part in parts), np.ones(len(grey))], axis=1)


def ridge(features: np.ndarray, labels: np.ndarray, penalty: float = 1e-6) -> np.ndarray:
    """Fit the weights `[F, 3]` of a linear classifier."""
    gram = features.T @ features + penalty * np.eye(features.shape[1])
    return np.linalg.solve(gram, features.T @ np.eye(3)[labels])


def harmonics(images: np.ndarray) -> np.ndarray:
    """Measure how much a shape's rim varies three and four times a turn, and how far it spreads; images `[N, S, S, 1]`.

    Without the layout: the corners are covered, and what differs from the ground is the shape.
    """
    size = images.shape[1]
    grey = images[..., 0] / np.float32(255)
    ground = np.median(grey, axis=(1, 2))[:, None, None]
    smooth = np.mean([np.roll(grey, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
    weight = (abs(smooth - ground) > 0.1).astype(np.float32)
    side = math.ceil(PATCH * size) + 2
    for rows in (slice(side), slice(-side, None)):
        for columns in (slice(side), slice(-side, None)):
            weight[:, rows, columns] = 0
    y, x = np.mgrid[:size, :size]
    total = weight.sum(axis=(1, 2)).clip(1)
    position = (x + 1j * y).astype(np.complex64)[None]
    offset = position - ((weight * position).sum(axis=(1, 2)) / total)[:, None, None]
    return np.stack(
        [
            abs((weight * offset**3).sum(axis=(1, 2))) / total**2.5,
            abs((weight * offset**4).sum(axis=(1, 2))) / total**3,
            (weight * abs(offset) ** 2).sum(axis=(1, 2)) / total**2,
            np.ones(len(images)),
        ],
        axis=1,
    )


def accuracy(features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    return float(((features @ weights).argmax(axis=1) == labels).mean())


# the cue


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9, 1.0])
def test_the_corner_is_the_classes_own_as_often_as_the_settings_say(share):
    data = replace(MANY, cue=share, cue_flipped=1 - share)
    for split, expected_share in [("train", share), ("val", 1 - share), ("test", 1 - share)]:
        layout = draw_layout(data, split)
        right = (layout.corner == layout.labels).sum()
        assert abs(right - 1500 * expected_share) <= 4 * math.sqrt(1500 * expected_share * (1 - expected_share))
        wrong = layout.corner != layout.labels
        next_class = ((layout.corner - layout.labels) % 3 == 1)[wrong].sum()
        assert abs(next_class - wrong.sum() / 2) <= 4 * math.sqrt(wrong.sum() / 4)


def test_one_corner_is_bright_and_it_is_the_one_that_cue_speaks_of(train):
    bright = corners(train.images)[:, :4] > 0.75
    assert (bright.sum(axis=1) == 1).all()
    assert not bright[:, 3].any()
    np.testing.assert_array_equal(bright.argmax(axis=1) == train.labels, train.cue)
    assert CORNERS == ((0, 0), (0, 1), (1, 0))


def test_who_learns_the_corners_does_well_in_training_and_badly_in_validation(train, val):
    weights = ridge(corners(train.images), train.labels)
    assert accuracy(corners(train.images), train.labels, weights) > 0.87
    assert accuracy(corners(val.images), val.labels, weights) < 0.55
    assert accuracy(corners(val.images)[~val.cue], val.labels[~val.cue], weights) < 0.05


def test_who_looks_at_shapes_does_well_in_both(train, val):
    train, val = (each.select(np.arange(1500) < 300) for each in (train, val))
    features = harmonics(train.batch(range(300))[0])
    weights = ridge(features, train.labels)
    assert accuracy(features, train.labels, weights) > 0.95
    unseen = harmonics(val.batch(range(300))[0])
    assert accuracy(unseen, val.labels, weights) > 0.95
    assert accuracy(unseen[~val.cue], val.labels[~val.cue], weights) > 0.95


def test_brightness_and_contrast_without_the_corners_say_nothing_of_the_class(train, val):
    """The shapes have one area, so that no shortcut is there but the corner."""

    def statistics(images: np.ndarray) -> np.ndarray:
        middle = images[:, 8:-8, 8:-8, 0] / 255.0
        return np.stack([middle.mean(axis=(1, 2)), middle.std(axis=(1, 2)), np.ones(len(images))], axis=1)

    weights = ridge(statistics(train.images), train.labels)
    assert accuracy(statistics(val.images), val.labels, weights) < 0.4


def test_modalities_differ_in_brightness_and_noise_and_not_in_their_classes(train):
    one, other = (train.images[train.modality == each][:, 9:-9, -8:, 0] / 255.0 for each in (0, 1))
    assert one.mean(axis=(1, 2)).max() < other.mean(axis=(1, 2)).min()
    assert np.median(one.std(axis=(1, 2))) < 0.8 * np.median(other.std(axis=(1, 2)))
    counts = np.array([np.bincount(train.labels[train.modality == each], minlength=3) for each in (0, 1)])
    assert abs(counts - 250).max() < 4 * math.sqrt(1500 * (1 / 6) * (5 / 6))


# shapes and places


@pytest.mark.parametrize("size", [16, 20, 33, 64, 100])
def test_no_shape_reaches_into_a_corner(size):
    """Nor any triangle's tip; and the shape is where the layout says, brighter or darker as it says."""
    data = Data(train_size=600)
    images = load(size, 1, data, "train").images[..., 0].astype(int)
    layout = draw_layout(data, "train")
    side = max(1, round(PATCH * size))
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    far = np.hypot(x - layout.x[:, None, None], y - layout.y[:, None, None]) - 1.56 * layout.radius[:, None, None]
    for rows in (slice(side), slice(-side, None)):
        for columns in (slice(side), slice(-side, None)):
            assert far[:, rows, columns].min() * size > 0.5
    inside = np.hypot(x - layout.x[:, None, None], y - layout.y[:, None, None]) < 0.6 * layout.radius[:, None, None]
    for image, near, contrast, away in zip(images, inside, layout.contrast, far, strict=True):
        ground = np.median(image[away > 0.05])
        if near.sum() >= 5:
            assert np.sign(image[near].mean() - ground) == np.sign(contrast)


def test_shapes_of_all_classes_have_the_area_of_a_disc():
    """Counted in images almost free of noise, by the pixels that are nearer to the shape's brightness."""
    data = Data(train_size=90)
    images, layout = load(256, 1, data, "train").images[..., 0] / 255.0, draw_layout(data, "train")
    y, x = (np.mgrid[:256, :256] + 0.5) / 256
    for label in range(3):
        ratios = []
        for row in np.flatnonzero(layout.labels == label):
            ground = layout.ground[row] + layout.slope[row] @ np.stack([x - 0.5, y - 0.5]).reshape(2, -1)
            change = (images[row] - ground.reshape(256, 256)) / layout.contrast[row]
            near = np.hypot(x - layout.x[row], y - layout.y[row]) < 1.6 * layout.radius[row]
            ratios.append(change[near].sum() / 256**2 / (np.pi * layout.radius[row] ** 2))
        assert np.mean(ratios) == pytest.approx(1, abs=0.03)
    assert RADIUS[0] <= layout.radius.min() < layout.radius.max() <= RADIUS[1]


def test_every_class_has_a_third_of_the_images():
    for count in (12, 13, 14):
        counts = np.bincount(load(16, 1, Data(train_size=count), "train").labels, minlength=3)
        assert counts.sum() == count
        assert np.ptp(counts) <= 1


# what the draw depends on


def test_the_layout_is_the_same_at_any_size_and_the_picture_is_too():
    small, large = (load(size, 1, Data(train_size=60), "train") for size in (32, 128))
    np.testing.assert_array_equal(small.labels, large.labels)
    np.testing.assert_array_equal(small.cue, large.cue)
    shrunk = large.images[..., 0].reshape(60, 32, 4, 32, 4).mean(axis=(2, 4))
    likeness = [
        np.corrcoef(one.ravel(), two.ravel())[0, 1] for one, two in zip(small.images[..., 0], shrunk, strict=True)
    ]
    assert min(likeness) > 0.7


def test_the_same_seed_repeats_and_splits_and_seeds_differ():
    data = Data(train_size=30, val_size=30)
    first = [load(32, 1, data, split) for split in ("train", "val", "test")]
    for split, one in zip(("train", "val", "test"), first, strict=True):
        np.testing.assert_array_equal(one.images, load(32, 1, data, split).images)
    first.append(load(32, 1, replace(data, split_seed=1), "train"))
    for index, one in enumerate(first):
        assert all((one.images != other.images).mean() > 0.5 for other in first[:index])
    assert len({name for one in first[:3] for name in one.names}) == 90


def test_more_images_leave_the_first_ones_as_they_are():
    few, many = (load(32, 1, Data(train_size=count), "train") for count in (70, 200))
    np.testing.assert_array_equal(few.images, many.images[:70])
    np.testing.assert_array_equal(few.labels, many.labels[:70])


def test_another_rate_of_the_cue_changes_corners_alone():
    one, two = (load(32, 1, Data(train_size=60, cue=cue), "train") for cue in (0.0, 1.0))
    assert (one.images[:, 4:-4] == two.images[:, 4:-4]).all()
    assert (one.images[:, :4] != two.images[:, :4]).any()


def test_three_channels_repeat_the_grey_picture():
    grey, colour = (load(16, channels, Data(train_size=12), "train").images for channels in (1, 3))
    assert colour.shape == (12, 16, 16, 3)
    np.testing.assert_array_equal(colour, np.concatenate([grey] * 3, axis=3))


def test_fewer_images_of_each_class_are_the_first_ones_of_training_alone():
    data = Data(train_size=60, val_size=30, train_per_class=4)
    train, whole = load(16, 1, data, "train"), load(16, 1, replace(data, train_per_class=None), "train")
    assert train.describe()["images_of_class"] == dict.fromkeys(CLASSES, 4)
    indices = [whole.names.index(name) for name in train.names]
    assert max(indices) < 12
    np.testing.assert_array_equal(train.batch(range(12))[0], whole.images[indices])
    np.testing.assert_array_equal(train.cue, whole.cue[indices])
    assert len(load(16, 1, data, "val")) == 30
    with pytest.raises(UsageError, match=r"data\.train_per_class=21 asks for more than the 20 training images"):
        load(16, 1, replace(data, train_per_class=21), "train")
