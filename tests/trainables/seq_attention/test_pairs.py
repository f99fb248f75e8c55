"""The enumerated pairs, against loops, and what holds of them whatever the images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.support.tiny_scenes import build_scenes
from trainables.seq_attention.orders import sort_objects
from trainables.seq_attention.pairs import PairPredictions, enumerate_pairs, predict_pairs
from trainables.seq_attention.split import Scenes


def scenes(*counts: int, seed: int = 0) -> Scenes:
    rng = np.random.default_rng(seed)
    return build_scenes([rng.uniform(0, 100, (n, 2)).astype(np.float32) for n in counts], 100)


def list_pairs(subset: Scenes, order: str = "reading") -> list[tuple[str, int, list, list]]:
    """List the pairs: the image's name, k, the marked objects and the others."""
    pairs = enumerate_pairs(subset, order, 30.0)
    rows = zip(pairs.image, pairs.k, strict=True)
    return [
        (subset.names[image], int(k), pairs.marked_objects(row).tolist(), pairs.unmarked_objects(row).tolist())
        for row, (image, k) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, [0]),
        (1, [0, 1]),
        (2, [0, 1, 2]),
        (3, [0, 1, 2, 3]),
        (4, [0, 1, 2, 3, 4]),
        (8, [0, 2, 4, 6, 7, 8]),
        (21, [0, 5, 10, 15, 20, 21]),
    ],
)
def test_of_an_image_k_is_at_both_ends_and_at_the_quarters_each_once(count, expected):
    pairs = enumerate_pairs(scenes(count), "reading", 30.0)
    assert pairs.k.tolist() == expected
    assert pairs.done.tolist() == [k == count for k in expected]
    assert pairs.count.tolist() == [count] * len(expected)


@pytest.mark.parametrize("order", ["reading", "left_right", "nearest"])
def test_what_is_marked_and_what_is_left_are_the_objects_in_their_order(order):
    subset = scenes(5, 0, 12, 1)
    for name, k, marks, left in list_pairs(subset, order):
        points = subset.points[int(name)]
        expected = [points[index].tolist() for index in sort_objects(points, order, 30.0)]
        assert marks == expected[:k]
        assert left == expected[k:]


def test_questions_are_the_same_on_every_call():
    subset = scenes(5, 0, 12, 1, 7)
    np.random.seed(1)  # a draw from the global generator would show
    first = list_pairs(subset)
    np.random.seed(2)
    assert list_pairs(subset) == first


def test_questions_of_an_image_do_not_depend_on_the_others_or_on_the_order_of_its_objects():
    subset = scenes(5, 0, 12, 1, 7)
    permuted = subset.select(np.array([4, 2, 0, 1, 3]))
    shuffled = dataclasses.replace(permuted, points=[points[::-1].copy() for points in permuted.points])
    assert sorted(list_pairs(shuffled), key=str) == sorted(list_pairs(subset), key=str)
    assert list_pairs(subset.select(np.array([2]))) == [pair for pair in list_pairs(subset) if pair[0] == "2"]


def test_each_image_has_one_pair_that_is_done():
    pairs = enumerate_pairs(scenes(5, 0, 12, 1, 2), "reading", 30.0)
    assert pairs.image[pairs.done].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_answers_come_in_the_order_of_the_rows_whatever_the_batch(batch):
    pairs, sizes = enumerate_pairs(scenes(5, 0, 12, 1, 2), "reading", 30.0), []

    def locate(indices, marks):
        sizes.append(len(indices))
        last = [points[-1] if len(points) else (-1.0, -1.0) for points in marks]
        done = [index + len(points) / 100 for index, points in zip(indices, marks, strict=True)]
        return PairPredictions(np.array(last, dtype=np.float64), np.array(done))

    rows = [7, 0, 3, len(pairs) - 1, 4]
    predictions = predict_pairs(locate, pairs, rows, batch)
    assert max(sizes) == min(batch, 5)
    assert sum(sizes) == 5
    np.testing.assert_allclose(predictions.done, [pairs.image[row] + pairs.k[row] / 100 for row in rows])
    for point, row in zip(predictions.points, rows, strict=True):
        np.testing.assert_array_equal(point, pairs.marked_objects(row)[-1] if pairs.k[row] else [-1.0, -1.0])


def test_the_weights_of_an_images_pairs_are_a_roll_out_s():
    pairs = enumerate_pairs(scenes(0, 1, 5, 9), "reading", 30.0)
    for image, n in enumerate((0, 1, 5, 9)):
        own = pairs.image == image
        assert pairs.weight[own].sum() == pytest.approx(1)
        assert pairs.weight[own & pairs.done] == pytest.approx(1 / (n + 1))


def test_no_questions_have_no_answers():
    pairs = enumerate_pairs(scenes(3), "reading", 30.0)
    empty = predict_pairs(lambda indices, marks: pytest.fail("asked"), pairs, [], 4)
    assert empty.points.shape == (0, 2)
    assert empty.done.shape == (0,)
