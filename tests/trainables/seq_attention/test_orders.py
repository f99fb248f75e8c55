"""The order in which objects are marked, against orders found one by one."""

import numpy as np
import pytest

from trainables.seq_attention.orders import sort_objects
from trainables.settings import UsageError

ORDERS = ["reading", "left_right", "nearest"]


def points(seed: int, n: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 300, (n, 2)).astype(np.float32)


def sort_one_by_one(objects: np.ndarray, order: str, row_height: float) -> list[tuple[float, float]]:
    remaining = [(float(x), float(y)) for x, y in objects]
    if order == "reading":
        return sorted(remaining, key=lambda point: (point[1] // row_height, point[0], point[1]))
    if order == "left_right":
        return sorted(remaining)
    position, tour = (0.0, 0.0), []
    while remaining:
        position = min(remaining, key=lambda point: (np.hypot(point[0] - position[0], point[1] - position[1]), point))
        remaining.remove(position)
        tour.append(position)
    return tour


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(5))
def test_an_order_is_that_of_a_search_one_by_one(order, seed):
    objects = points(seed)
    assert [tuple(point) for point in objects[sort_objects(objects, order, 50.0)].tolist()] == sort_one_by_one(
        objects, order, 50.0
    )


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_in_the_file_does_not_matter_not_even_with_ties(order):
    objects = np.repeat(points(0, 6).round(-2), 2, axis=0) + np.tile([[0, 0], [0, 10]], (6, 1)).astype(np.float32)
    expected = objects[sort_objects(objects, order, 50.0)]
    for seed in range(10):
        shuffled = np.random.default_rng(seed).permutation(objects)
        np.testing.assert_array_equal(shuffled[sort_objects(shuffled, order, 50.0)], expected)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [0, 1])
def test_few_objects_have_an_order_too(order, n):
    assert sort_objects(np.zeros((n, 2), np.float32), order, 50.0).tolist() == list(range(n))


def test_a_pixel_at_the_border_of_a_row_swaps_two_objects_of_the_published_order():
    right_above, left_below = [200.0, 49.5], [10.0, 50.5]
    assert sort_objects(np.array([right_above, left_below]), "reading", 50.0).tolist() == [0, 1]
    assert sort_objects(np.array([[200.0, 50.5], left_below]), "reading", 50.0).tolist() == [1, 0]
    assert sort_objects(np.array([[200.0, 50.5], left_below]), "left_right", 50.0).tolist() == [1, 0]
    assert sort_objects(np.array([right_above, left_below]), "left_right", 50.0).tolist() == [1, 0]


def test_an_order_that_there_is_not_is_an_error():
    with pytest.raises(UsageError, match="unknown order 'readnig'; did you mean 'reading'"):
        sort_objects(points(0), "readnig", 50.0)
