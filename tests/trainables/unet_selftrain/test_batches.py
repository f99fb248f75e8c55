"""Tiles: where they lie, that targets go with them, and that seed and epoch determine all of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from trainables.processes import Processes
from trainables.unet_selftrain.batches import Batch, Batches, crop
from trainables.unet_selftrain.config import Config
from trainables.unet_selftrain.split import Micrographs

SHAPES = [(90, 130), (150, 100)]


def micrographs(images: list[np.ndarray]) -> Micrographs:
    count = len(images)
    nobody = [np.empty((0, 2), np.float32)] * count
    names = [str(index) for index in range(count)]
    return Micrographs(
        names=names,
        images=images,
        groups=names,
        known_particles=nobody,
        hidden_particles=nobody,
        radius=5.0,
        downsample=1,
        calibration=np.zeros(count, bool),
    )


def pixels(shapes: list[tuple[int, int]]) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


def percents(shapes: list[tuple[int, int]]) -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    return [generator.integers(-1, 101, shape, dtype=np.int8) for shape in shapes]


def batches(shapes=SHAPES, *, seed: int = 7, processes: Processes | None = None, images=None, **changes) -> Batches:
    config = Config(**{"tile": 32, "batch_size": 8, "rotation": 180.0, **changes})
    images = pixels(shapes) if images is None else images
    targets = percents([image.shape for image in images])
    return Batches(config, micrographs(images), targets, torch.device("cpu"), seed, processes or Processes())


def epoch(source: Batches, number: int = 0, targets=None) -> list[Batch]:
    source = source if targets is None else dataclasses.replace(source, targets=targets)
    return list(source.of_epoch(number))


def draw_tiles(source: Batches, seed: int = 0) -> np.ndarray:
    return source.draw_tiles(torch.Generator().manual_seed(seed))


def test_an_epoch_has_the_tiles_that_would_cover_every_micrograph():
    drawn = draw_tiles(batches())
    assert np.bincount(drawn[:, 0]).tolist() == [12, 15]  # 11.4 and 14.6
    assert len(draw_tiles(batches(tiles=5))) == 10


@pytest.mark.parametrize(("batch_size", "steps", "size"), [(8, 3, 8), (27, 1, 27), (500, 1, 27), (1, 27, 1)])
def test_the_last_incomplete_batch_is_left_out(batch_size, steps, size):
    source = batches(batch_size=batch_size)
    drawn = epoch(source)
    assert source.steps == len(drawn) == steps
    assert {tuple(each.images.shape) for each in drawn} == {(size, 1, 32, 32)}
    assert {tuple(each.targets.shape) for each in drawn} == {(size, 1, 32, 32)}


def test_micrographs_are_shuffled_over_the_epoch():
    owners = draw_tiles(batches(tiles=200))[:, 0]
    assert 0.4 < owners[:100].mean() < 0.6
    assert (draw_tiles(batches(), 1) != draw_tiles(batches(), 2)).any()


def test_without_augmentation_tiles_are_bit_for_bit_what_lies_in_the_micrograph(monkeypatch):
    source = batches(augment=0.0)
    drawn = draw_tiles(source, 3)
    monkeypatch.setattr(Batches, "draw_tiles", lambda self, generator: drawn)
    targets = percents(SHAPES)
    tiles = [tile for batch in epoch(source) for tile in zip(*batch, strict=True)]
    for (owner, top, left), (image, target) in zip(drawn[: len(tiles)], tiles, strict=True):
        window = np.s_[top : top + 32, left : left + 32]
        np.testing.assert_array_equal(image[0], source.micrographs.image(owner)[window])
        percent = targets[owner][window].astype(np.float32)
        np.testing.assert_array_equal(target[0], np.where(percent < 0, -1, percent / np.float32(100)))


def test_augmented_targets_are_still_where_the_image_is():
    """A target that is put into the image has to agree with it, ignored pixels too, in all that leaves the batches."""
    generator = np.random.default_rng(2)
    coarse = generator.integers(0, 3, (10, 10))
    kind = np.kron(coarse, np.ones((30, 30), int))
    kind[:60], kind[-60:], kind[:, :60], kind[:, -60:] = 0, 0, 0, 0  # ignored, so that the reflection is, too
    image = np.array([0, 102, 204], np.uint8)[kind]  # z of −5, −1 and 3
    target = np.array([-1, 0, 100], np.int8)[kind]
    source = batches(images=[image], tile=64, tiles=40, augment=1.0)
    drawn = epoch(source, targets=[target])
    images, targets = (torch.cat(each) for each in zip(*drawn, strict=True))
    assert images.shape == (40, 1, 64, 64)
    assert set(targets.unique().tolist()) == {-1.0, 0.0, 1.0}
    highest = torch.nn.functional.max_pool2d(targets, 5, stride=1, padding=2)
    lowest = -torch.nn.functional.max_pool2d(-targets, 5, stride=1, padding=2)
    flat = highest == lowest
    flat[..., :2, :], flat[..., -2:, :], flat[..., :2], flat[..., -2:] = False, False, False, False
    assert flat.float().mean() > 0.4
    torch.testing.assert_close(images[flat], (targets * 4 - 1)[flat], atol=0.01, rtol=0)


def equal(one: list[Batch], other: list[Batch]) -> bool:
    return all(
        torch.equal(a, b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True)
    )


def test_seed_and_epoch_determine_an_epoch():
    source = batches()
    assert equal(epoch(source, 2), epoch(source, 2))
    assert equal(epoch(source, 2), epoch(batches(), 2))
    assert not equal(epoch(source, 2), epoch(source, 3))
    assert not equal(epoch(source, 2), epoch(batches(seed=8), 2))


def test_augmentation_differs_between_epochs_and_tiles():
    source = batches([(32, 32)], tiles=8, augment=1.0)  # a single place, so that nothing else can differ
    first, second = epoch(source, 0)[0].images, epoch(source, 1)[0].images
    assert (first != second).flatten(1).any(dim=1).all()
    assert not torch.equal(first[0], first[1])


def test_global_generators_are_left_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    epoch(batches())
    assert torch.equal(before, torch.get_rng_state())


def test_two_processes_together_are_one():
    whole = epoch(batches())
    parts = [epoch(batches(processes=Processes(rank, 2))) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        for field in ("images", "targets"):
            result = [getattr(each[step], field) for each in parts]
            assert torch.equal(torch.stack(result, dim=1).flatten(0, 1), getattr(batch, field))


def test_every_place_is_equally_likely():
    corners = draw_tiles(batches([(40, 42)], tiles=9900))[:, 1:]
    counts = np.zeros((9, 11))
    np.add.at(counts, tuple(corners.T), 1)
    assert ((counts - 100) ** 2 / 100).sum() < 149  # chi-square of 98 degrees, at 0.1 %


def test_particles_lie_anywhere_in_their_tiles():
    particle = np.array([100, 100])
    offset = particle - draw_tiles(batches([(200, 200)], tiles=20000))[:, 1:]
    offset = offset[((offset >= 0) & (offset < 32)).all(axis=1)]
    counts = np.histogram2d(*offset.T, bins=4, range=[[0, 32], [0, 32]])[0]
    assert len(offset) > 500
    assert np.abs(counts / counts.sum() - 1 / 16).max() < 0.03


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_a_micrograph_smaller_than_a_tile_lies_anywhere_in_it_and_the_rest_is_ignored(chance):
    source = batches([(20, 100)], tiles=200, batch_size=200, augment=chance, rotation=0.0)
    drawn = epoch(source, targets=[np.full((20, 100), 100, np.int8)])[0]
    rows = (drawn.targets == 1).all(dim=(1, 3))
    known = (drawn.targets == 1).float().mean().item()
    assert known == pytest.approx(20 / 32, abs=1e-6 if chance == 0 else 0.05)
    assert drawn.images.isfinite().all()
    if chance == 0:
        assert rows.sum(dim=1).unique().tolist() == [20]
        assert rows.float().argmax(dim=1).unique().tolist() == list(range(13))


def test_tiles_have_no_dead_corners_where_the_micrograph_goes_on(monkeypatch):
    source = batches([(300, 300)], augment=1.0, tiles=50)
    inner = np.column_stack([np.zeros(50, int), np.full((50, 2), 130)])
    monkeypatch.setattr(Batches, "draw_tiles", lambda self, generator: inner)
    drawn = epoch(source, targets=[np.zeros((300, 300), np.int8)])
    assert not any(each.targets.any() for each in drawn)


@pytest.mark.parametrize(("top", "left"), [(-3, 2), (5, -20), (-40, 30), (3, 4), (2, 6)])
@pytest.mark.parametrize("shape", [(9, 12), (1, 5)])
def test_a_cut_beyond_the_border_is_reflected_or_ignored(top, left, shape):
    array = np.arange(shape[0] * shape[1], dtype=np.int8).reshape(shape)
    wide = np.pad(array, 60, mode="reflect")
    blank = np.pad(array, 60, constant_values=-1)
    window = np.s_[top + 60 : top + 66, left + 60 : left + 66]
    np.testing.assert_array_equal(crop(array, top, left, 6), wide[window])
    np.testing.assert_array_equal(crop(array, top, left, 6, -1), blank[window])
