"""How a locator is judged: with thresholds of other images, on a bounded number of roll-outs, whatever it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.tiny_scenes import build_scenes
from trainables.seq_attention.config import Data
from trainables.seq_attention.judging import Judge, rollout_limit
from trainables.seq_attention.pairs import Locator, PairPredictions, enumerate_pairs
from trainables.seq_attention.scoring import Scale, choose_thresholds, score
from trainables.seq_attention.split import Scenes, select_evenly


def scenes(count: int) -> Scenes:
    """Build images of which the i-th has 1 + i % 5 objects."""
    rng = np.random.default_rng(count)
    return build_scenes([rng.uniform(0, 100, (1 + index % 5, 2)) for index in range(count)], 100, digits=2)


class TrueLocator:
    """Knows all objects, and visits the nearest one to the corner first; its done signal is 0.3, and 0.6 at the end."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, split: Scenes) -> Locator:
        def locate(indices: Sequence[int], marks: Sequence[np.ndarray]) -> PairPredictions:
            self.calls += list(indices)
            remaining = [
                [point for point in split.points[index] if not any(np.allclose(point, mark) for mark in points)]
                for index, points in zip(indices, marks, strict=True)
            ]
            points = [min(objects, key=np.hypot.reduce) if objects else np.zeros(2) for objects in remaining]
            is_done = [not objects for objects in remaining]
            return PairPredictions(np.array(points, dtype=np.float64), np.where(is_done, 0.6, 0.3))

        return locate


def test_who_knows_everything_gets_everything_right_with_thresholds_from_elsewhere():
    judge = Judge(Data(hit_radius=1.0), "nearest", 12)
    thresholds = choose_thresholds(judge.predict(TrueLocator(), scenes(7)), 1.0)
    predictions = judge.predict(TrueLocator(), scenes(11), thresholds.rollout)
    metrics = score(predictions, Scale(1.0, scenes(11).spacing(), thresholds, 12))
    for name in ("hit_any", "done_ap", "done_f1", "done_stops", "count_score", "rollout_f1"):
        assert metrics[name] == pytest.approx(1), name
    assert metrics["count_error"] == metrics["rollout_duplicates"] == 0
    assert 0.3 < metrics["rollout_threshold"] < 0.6
    assert 0.3 < metrics["done_threshold"] <= 0.6


def test_so_many_images_are_counted_as_asked_and_evenly():
    split = scenes(20)
    assert select_evenly(split, 0) is split
    assert select_evenly(split, 20) is split
    assert select_evenly(split, 4).names == ["00", "06", "12", "19"]
    locators = TrueLocator()
    judge = Judge(Data(rollout_images=4), "reading", 12)
    assert len(judge.roll_out(locators, select_evenly(split, 4), 0.5)) == 4
    assert set(locators.calls) == {0, 1, 2, 3}


def test_a_roll_out_may_go_half_as_far_again_as_any_training_image_has_objects():
    assert rollout_limit(np.array([3, 15, 2])) == 23
    assert rollout_limit(np.array([1, 2])) == 8


def test_no_more_images_are_counted_than_asked_for_but_all_are_asked_about():
    judge = Judge(Data(rollout_images=4), "nearest", 12)
    thresholds = choose_thresholds(judge.predict(TrueLocator(), scenes(7)), Data().radius)
    locators = TrueLocator()
    judge.predict(locators, scenes(20), thresholds.rollout)
    pairs = len(enumerate_pairs(scenes(20), "nearest", 50.0))
    visits = [scenes(20).counts[index] + 1 for index in (0, 6, 12, 19)]
    assert len(locators.calls) == pairs + sum(visits)
