"""Training batches: which objects are marked, what a row teaches, flips, and the same batches on several processes."""

import numpy as np
import pytest
import torch

from tests.support.tiny_scenes import build_scenes, config
from trainables.processes import Processes
from trainables.seq_attention.batches import Batches
from trainables.seq_attention.letterbox import letterbox, normalise
from trainables.seq_attention.orders import sort_objects
from trainables.seq_attention.split import Scenes

CPU = torch.device("cpu")
COUNTS = (0, 1, 3, 5, 4, 2, 6, 3)


def scenes() -> Scenes:
    """Build images of which every object is a white square of 5 pixels on black; they are wide or tall."""
    rng = np.random.default_rng(0)
    images, sizes, points = [], [], []
    for index, count in enumerate(COUNTS):
        size = (96, 64) if index % 2 else (64, 80)
        canvas = np.zeros((size[1], size[0], 3), np.uint8)
        cells = rng.permutation((size[0] // 16) * (size[1] // 16))[:count]
        centres = np.stack([cells % (size[0] // 16), cells // (size[0] // 16)], axis=1) * 16 + 8.5
        for x, y in centres.astype(int):
            canvas[y - 2 : y + 3, x - 2 : x + 3] = 255
        images.append(letterbox(canvas, 96))
        sizes.append(size)
        points.append(centres)
    return build_scenes(points, sizes, np.stack(images))


def batches(processes: Processes | None = None, seed=0, **values) -> Batches:
    settings = config(image_size=96, batch_size=4, **{"marker_alpha": 0.0, **values})
    return Batches(settings, scenes(), 24.0, CPU, seed, processes or Processes())


def rows(batches: Batches, epochs=6):
    return [(batch, row) for epoch in range(epochs) for batch in batches.of_epoch(epoch) for row in range(len(batch.k))]


def test_an_epoch_shows_every_image_as_often_as_asked():
    tripled = batches(samples=3)
    assert tripled.steps == 6
    counts = sorted(int((batch.objects[row] != 0).any(dim=1).sum()) for batch, row in rows(tripled, 1))
    assert counts == sorted(COUNTS * 3)


def test_the_first_k_objects_of_the_order_are_marked_and_the_next_one_follows():
    for batch, row in rows(batches()):
        count, left = int(batch.k[row]), batch.remaining[row]
        assert not left[:count].any()
        total = count + int(left.sum())
        assert left[count:total].all()
        objects = batch.objects[row, :total]
        marker = batch.images[row, 3]
        for index, (x, y) in enumerate(objects.tolist()):
            visible = marker[int((y + 1) * 48), int((x + 1) * 48)] > 0.5
            assert visible == (index < count)
        assert bool(batch.done[row]) == (count == total)
        if count < total:
            assert torch.equal(batch.next_objects[row], objects[count])


@pytest.mark.parametrize("order", ["reading", "left_right", "nearest"])
def test_objects_come_in_the_order_of_the_settings(order):
    by_count = {len(points): (points, size) for points, size in zip(scenes().points, scenes().sizes, strict=True)}
    for batch, row in rows(batches(order=order), 1):
        total = int(batch.k[row] + batch.remaining[row].sum())
        if total not in (3,):  # two images have three
            points, size = by_count[total]
            expected = normalise(points[sort_objects(points, order, 24.0)], size)
            np.testing.assert_allclose(batch.objects[row, :total], expected, atol=1e-6)


def test_what_is_done_teaches_no_location():
    examples = rows(batches(p_done=0.5))
    done = [bool(batch.done[row]) for batch, row in examples]
    assert 0.2 < np.mean(done) < 0.8
    for batch, row in examples:
        assert bool(batch.teaches_location[row]) == (not batch.done[row])
        assert batch.teaches_done[row]


def test_separate_sampling_is_the_published_one():
    """Done is only ever taught at k = N and N − 1, and validation asks for all k: the shift that the notes missed."""
    taught = {True: set(), False: set()}
    for batch, row in rows(batches(sampling="separate"), 40):
        left = int(batch.remaining[row].sum())
        assert not (batch.teaches_done[row] and batch.teaches_location[row])
        if batch.teaches_done[row]:
            taught[True].add(left)
        elif batch.teaches_location[row]:
            taught[False].add(left)
    assert taught[True] == {0, 1}
    assert taught[False] >= {1, 2, 3, 4, 5, 6}


def test_flips_move_pixels_and_objects_together_and_the_order_is_that_of_the_flipped_image():
    images, flips = scenes(), 0
    for batch, row in rows(batches(augment="light", order="left_right"), 8):
        total = int(batch.k[row] + batch.remaining[row].sum())
        objects = batch.objects[row, :total]
        picture = batch.images[row, 0]
        for x, y in objects.tolist():
            assert picture[int((y + 1) * 48), int((x + 1) * 48)] > picture.mean() + 1
        assert (objects[1:, 0] >= objects[:-1, 0]).all()
        is_same = [
            len(points) == total and np.allclose(sorted(normalise(points, size)[:, 0]), objects[:, 0], atol=1e-5)
            for points, size in zip(images.points, images.sizes, strict=True)
        ]
        flips += not any(is_same)
    assert flips > 10


def test_light_augmentation_changes_brightness_and_leaves_nothing_out_of_range():
    plain, light = (next(batches(augment=augment).of_epoch(0)).images[:, :3] for augment in ("none", "light"))
    assert plain.shape == light.shape
    assert not torch.equal(plain.mean((1, 2, 3)), light.mean((1, 2, 3)))
    for channel, (lowest, highest) in enumerate(zip(plain.amin((0, 2, 3)), plain.amax((0, 2, 3)), strict=True)):
        assert light[:, channel].min() >= lowest - 1e-5
        assert light[:, channel].max() <= highest + 1e-5


def test_jitter_moves_markers_and_not_the_targets():
    still, jittered = (next(batches(marker_jitter=jitter, samples=4).of_epoch(0)) for jitter in (0.0, 0.05))
    assert torch.equal(still.objects, jittered.objects)
    assert not torch.equal(still.images[:, 3], jittered.images[:, 3])
    assert torch.equal(still.images[:, :3], jittered.images[:, :3])


def test_jitter_has_the_deviation_that_is_asked_for():
    """In a marker map of one point, the darkest pixel is where the point is."""
    away = []
    for batch, row in rows(batches(marker_jitter=0.03, marker="gaussian", p_done=0.99, samples=4), 20):
        if batch.k[row] == 1:
            peak = int(batch.images[row, 3].argmax())
            x, y = ((batch.objects[row, 0] + 1) * 48).tolist()
            away += [peak % 96 + 0.5 - x, peak // 96 + 0.5 - y]
    assert np.std(away) == pytest.approx(0.03 * 96, rel=0.25)


@pytest.mark.parametrize("sampling", ["mixed", "separate"])
def test_the_batches_of_two_processes_are_those_of_one(sampling):
    settings = {"augment": "light", "marker_jitter": 0.02, "samples": 2, "sampling": sampling}
    halves = [list(batches(Processes(rank, 2), **settings).of_epoch(1)) for rank in range(2)]
    for complete, even, odd in zip(batches(**settings).of_epoch(1), *halves, strict=True):
        for name in ("images", "k", "teaches_done", "teaches_location"):
            union = torch.stack([getattr(even, name), getattr(odd, name)], dim=1).flatten(0, 1)
            assert torch.equal(union, getattr(complete, name)), name
        assert even.location_rows + odd.location_rows == complete.location_rows == complete.teaches_location.sum()
        assert even.done_rows + odd.done_rows == complete.done_rows == complete.teaches_done.sum()


def test_an_epoch_is_a_function_of_seed_and_epoch():
    first, repeated_run, other_seed, later = (
        [batch.k.tolist() for batch in batches(seed=seed, samples=3).of_epoch(epoch)]
        for seed, epoch in ((0, 2), (0, 2), (1, 2), (0, 3))
    )
    assert first == repeated_run
    assert first not in (other_seed, later)


def test_every_epoch_marks_anew():
    repeats = scenes().select(np.array([6] * 8))  # eight times the same image: the order of the images says nothing
    same_image = Batches(config(image_size=96, batch_size=8), repeats, 24.0, CPU, 0, Processes())
    first, second = (next(same_image.of_epoch(epoch)).k.tolist() for epoch in (0, 1))
    assert first != second
