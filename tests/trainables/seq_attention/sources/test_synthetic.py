"""Synthetic images: their ground truth is the truth."""

import numpy as np
import pytest

from trainables.seq_attention.config import Config, Data
from trainables.seq_attention.orders import sort_objects
from trainables.seq_attention.sources.synthetic import DISCS, JITTER, _colour, count_objects, draw_layout, load, render
from trainables.settings import UsageError


@pytest.fixture(scope="module", params=[False, True], ids=["free", "ambiguous"])
def scenes(request):
    data = Data(ambiguous=request.param)
    return [draw_layout(np.random.default_rng(seed), data) for seed in range(200)], data


def test_discs_are_wholly_inside_and_do_not_touch(scenes):
    for scene in scenes[0]:
        radii = scene.radii[:, None]
        assert (scene.centres - radii >= 0).all()
        assert (scene.centres + radii <= scene.size).all()
        distances = np.hypot(*(scene.centres[:, None] - scene.centres).transpose(2, 0, 1))
        gaps = distances - radii - radii.T + 1e9 * np.eye(len(radii))
        assert gaps.min() > 0


def test_numbers_and_widths_fill_their_ranges(scenes):
    n = np.array([len(scene.centres) for scene in scenes[0]])
    widths = np.array([scene.size[0] for scene in scenes[0]])
    assert set(n) == set(range(DISCS[0], DISCS[1] + 1))
    assert (widths.min(), widths.max()) >= (96, 150)
    assert widths.min() < 100
    assert widths.max() <= 160
    assert {scene.size[1] for scene in scenes[0]} == {128}


@pytest.mark.parametrize("size", [64, 128, 256])
def test_radii_scale_with_the_image(size):
    radii = np.concatenate([draw_layout(np.random.default_rng(seed), Data(size=size)).radii for seed in range(50)])
    assert 4 <= radii.min() * 128 / size < 4.3
    assert 6.7 < radii.max() * 128 / size <= 7


def test_a_disc_is_drawn_round_its_centre_and_with_its_radius():
    """What a disc changes, as a mask: its area, and its middle to a third of a pixel."""
    for seed in range(20):
        scene = draw_layout(np.random.default_rng(seed), Data())
        single = scene._replace(centres=scene.centres[:1], radii=scene.radii[:1])
        none = scene._replace(centres=scene.centres[:0], radii=scene.radii[:0])
        with_disc, without = (render(np.random.default_rng(seed), layout).astype(int) for layout in (single, none))
        y, x = np.mgrid[: scene.size[1], : scene.size[0]] + 0.5
        near = np.hypot(x - scene.centres[0, 0], y - scene.centres[0, 1]) < scene.radii[0] + 4
        inside = near & (abs(with_disc - without).sum(axis=2) > 50)
        assert inside.sum() == pytest.approx(np.pi * scene.radii[0] ** 2, rel=0.25)
        np.testing.assert_allclose([x[inside].mean(), y[inside].mean()], scene.centres[0], atol=0.34)


def test_an_edge_is_soft():
    scene = draw_layout(np.random.default_rng(0), Data())._replace(
        centres=np.array([[50.0, 50.0]]), radii=np.array([6.3])
    )
    image = render(np.random.default_rng(0), scene).astype(int)
    across = image[49, 40:60].sum(axis=1)
    steps = abs(np.diff(across))
    assert (steps > 0.1 * np.ptp(across)).sum() >= 4  # two pixels at either edge, not one


def test_any_colour_stands_out_from_any_grey():
    rng = np.random.default_rng(0)
    colours = np.array([_colour(rng) for _ in range(2000)])
    assert colours.min() >= 0
    assert colours.max() <= 255
    greys = np.arange(256)[:, None, None]
    assert np.linalg.norm(colours - greys, axis=2).min() > 90
    assert np.bincount(colours.argmax(axis=1)).min() > 500  # of every hue


def test_lines_are_drawn_that_are_no_discs():
    """Without discs, some pixels are coloured; none of them has a coloured square around it as every disc has."""
    for seed in range(20):
        scene = draw_layout(np.random.default_rng(seed), Data())
        ground = render(np.random.default_rng(seed), scene._replace(centres=scene.centres[:0], radii=scene.radii[:0]))
        is_coloured = np.ptp(ground.astype(int), axis=2) > 75
        squares = np.lib.stride_tricks.sliding_window_view(is_coloured, (5, 5)).all(axis=(2, 3))
        assert is_coloured.sum() > 10
        assert not squares.any()


def test_ambiguous_centres_lie_at_borders_and_less_than_a_pixel_decides_their_order():
    data, changes, offsets = Data(ambiguous=True), 0, []
    for seed in range(100):
        scene = draw_layout(np.random.default_rng(seed), data)
        off = scene.centres[:, 1] - data.row_height * np.rint(scene.centres[:, 1] / data.row_height)
        assert abs(off).max() <= JITTER + 1e-4
        offsets.extend(off)
        shifted = scene.centres + np.random.default_rng(seed).uniform(-0.7, 0.7, scene.centres.shape) * [0, 1]
        orders = [sort_objects(centres, "reading", data.row_height).tolist() for centres in (scene.centres, shifted)]
        changes += orders[0] != orders[1]
    assert changes > 50
    assert np.mean(np.array(offsets) < 0) == pytest.approx(0.5, abs=0.1)
    free = [draw_layout(np.random.default_rng(seed), Data()).centres[:, 1] % 50 for seed in range(100)]
    assert np.mean(np.concatenate(free) < 2) < 0.1


def test_rows_too_high_for_an_image_are_an_error():
    with pytest.raises(UsageError, match=r"data\.row_height=126 leaves none in one of data\.size=128: lower it to 64"):
        load(Config(image_size=64), Data(ambiguous=True, row_height=126), "val")


def test_splits_and_seeds_differ_and_repeat_and_more_images_leave_the_first_as_they_are():
    data = Data(train_size=8, val_size=8)
    first = [load(Config(image_size=64), data, split) for split in ("train", "val", "test")]
    first.append(load(Config(image_size=64), Data(train_size=8, split_seed=1), "train"))
    for index, split in enumerate(first):
        assert all((split.images != earlier.images).mean() > 0.5 for earlier in first[:index])
    repeat = load(Config(image_size=64), data, "train")
    larger = load(Config(image_size=64), Data(train_size=12), "train")
    np.testing.assert_array_equal(repeat.images, first[0].images)
    np.testing.assert_array_equal(larger.images[:8], first[0].images)
    np.testing.assert_array_equal(larger.points[5], first[0].points[5])
    assert larger.names[:8] == first[0].names


def test_another_size_of_the_square_shows_the_same_objects():
    data = Data(train_size=8)
    small, large = load(Config(image_size=64), data, "train"), load(Config(image_size=128), data, "train")
    np.testing.assert_array_equal(small.sizes, large.sizes)
    assert all((left == right).all() for left, right in zip(small.points, large.points, strict=True))


@pytest.mark.parametrize("ambiguous", [False, True])
def test_objects_are_counted_without_drawing(ambiguous):
    data = Data(val_size=40, size=64, ambiguous=ambiguous)
    np.testing.assert_array_equal(count_objects(data, "val"), load(Config(image_size=32), data, "val").counts)
