"""Counting by roll-out, against a loop over one image, and what is marked on the way."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.seq_attention.pairs import PairPredictions
from trainables.seq_attention.rollout import Rollout, roll_out


def predict_one(index: int, marks: np.ndarray) -> tuple[np.ndarray, float]:
    """Draw a point and a signal, like noise, that depend on the image and on every marked point."""
    seed = np.frombuffer(np.array([index, *marks.ravel()]).tobytes(), dtype=np.uint32)
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 100, 2), float(rng.random())


def locate(indices, marks) -> PairPredictions:
    predictions = [predict_one(*pair) for pair in zip(indices, marks, strict=True)]
    return PairPredictions(np.array([point for point, _ in predictions]), np.array([done for _, done in predictions]))


def roll_out_alone(index: int, limit: int, until_signal: float) -> tuple[list, list]:
    points, done = [], []
    while len(points) < limit:
        point, signal = predict_one(index, np.array(points, dtype=np.float64).reshape(-1, 2))
        done.append(signal)
        if signal >= until_signal:
            break
        points.append(point)
    return np.array(points).reshape(-1, 2).tolist(), done


@pytest.mark.parametrize("until_signal", [0.0, 0.3, 0.9, np.inf])
@pytest.mark.parametrize("batch", [1, 4, 50])
def test_a_roll_out_is_that_of_its_image_alone_whatever_the_batch(until_signal, batch):
    indices = [5, 0, 3, 9, 2, 7, 1]
    paths = roll_out(locate, indices, 12, batch, until_signal)
    assert [(path.points.tolist(), path.done.tolist()) for path in paths] == [
        roll_out_alone(p, 12, until_signal) for p in indices
    ]


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.6, 0.95, 0.999, 2.0])
def test_the_count_at_a_threshold_is_that_of_a_roll_out_that_ends_there(threshold):
    indices = list(range(20))
    full, stopped = roll_out(locate, indices, 9, 8), roll_out(locate, indices, 9, 8, threshold=threshold)
    assert [path.count(threshold) for path in full] == [len(path.points) for path in stopped]
    assert [path.count(threshold) for path in stopped] == [len(path.points) for path in stopped]
    for first, second in zip(full, stopped, strict=True):
        np.testing.assert_array_equal(first.points[: len(second.points)], second.points)


def test_a_signal_at_the_threshold_ends_it():
    path = Rollout(np.zeros((3, 2)), np.array([0.1, 0.5, 0.7]))
    assert [path.count(threshold) for threshold in (0.0, 0.1, 0.11, 0.5, 0.6, 0.7, 0.71)] == [0, 0, 1, 1, 2, 2, 3]


def test_what_is_marked_is_what_was_predicted_and_not_an_object():
    objects, visible = np.array([[10.0, 10.0], [20.0, 10.0], [30.0, 10.0]]), []

    def off_by_two(indices, marks):
        visible.append(marks[0].copy())
        return PairPredictions(objects[[len(marks[0])]] + 2, np.array([0.0]))

    (path,) = roll_out(off_by_two, [0], 3, 1)
    np.testing.assert_array_equal(path.points, objects + 2)
    assert [len(marks) for marks in visible] == [0, 1, 2]
    for marks in visible:
        np.testing.assert_array_equal(marks, path.points[: len(marks)])


def test_without_a_signal_it_visits_as_many_as_the_limit_allows():
    (path,) = roll_out(lambda indices, marks: PairPredictions(np.zeros((1, 2)), np.zeros(1)), [0], 6, 1, threshold=0.5)
    assert path.points.shape == (6, 2)
    assert path.done.shape == (6,)
    assert path.count(0.5) == 6


def test_with_a_signal_at_once_nothing_is_visited():
    (path,) = roll_out(lambda indices, marks: PairPredictions(np.zeros((1, 2)), np.ones(1)), [0], 6, 1, threshold=1.0)
    assert path.points.shape == (0, 2)
    assert path.done.tolist() == [1.0]
    assert path.count(1.0) == 0


def test_images_that_ended_are_not_asked_about_again():
    asked = []

    def done_at_its_number(indices, marks):
        asked.extend(indices)
        done = [float(len(points) >= index) for index, points in zip(indices, marks, strict=True)]
        return PairPredictions(np.zeros((len(indices), 2)), np.array(done))

    paths = roll_out(done_at_its_number, [2, 0, 4], 9, 3, threshold=0.5)
    assert [len(path.points) for path in paths] == [2, 0, 4]
    assert {index: asked.count(index) for index in (0, 2, 4)} == {0: 1, 2: 3, 4: 5}
