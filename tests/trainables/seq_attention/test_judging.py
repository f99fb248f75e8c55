"""How an answerer is judged: with thresholds of other images, on a bounded number of roll-outs, whatever it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from trainables.seq_attention.config import Data
from trainables.seq_attention.judging import Judge, limit, some
from trainables.seq_attention.pairs import Answers, Ask, enumerated
from trainables.seq_attention.scenes import Scenes


def scenes(count: int) -> Scenes:
    """Image i has 1 + i % 5 objects."""
    rng = np.random.default_rng(count)
    return Scenes(
        images=np.zeros((count, 32, 32, 3), np.uint8),
        sizes=np.full((count, 2), 100),
        points=[rng.uniform(0, 100, (1 + place % 5, 2)).astype(np.float32) for place in range(count)],
        names=[f"{place:02d}" for place in range(count)],
        calibration=np.zeros(count, dtype=bool),
    )


class Knowing:
    """Knows all objects, and visits the nearest one to the corner first; its done signal is 0.3, and 0.6 at the end."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, judged: Scenes) -> Ask:
        def ask(places: Sequence[int], marked: Sequence[np.ndarray]) -> Answers:
            self.asked += list(places)
            left = [
                [point for point in judged.points[place] if not any(np.allclose(point, each) for each in points)]
                for place, points in zip(places, marked, strict=True)
            ]
            points = [min(each, key=np.hypot.reduce) if each else np.zeros(2) for each in left]
            return Answers(np.array(points, dtype=np.float64), np.where([len(each) == 0 for each in left], 0.6, 0.3))

        return ask


def test_who_knows_everything_gets_everything_right_with_thresholds_from_elsewhere():
    judge = Judge(Data(hit_radius=1.0), "nearest", 12)
    figures = judge.figures(Knowing(), scenes(11), judge.thresholds(Knowing(), scenes(7)))
    for name in ("hit_any", "done_ap", "done_f1", "done_stops", "count_score", "rollout_f1"):
        assert figures[name] == pytest.approx(1), name
    assert figures["count_error"] == figures["rollout_duplicates"] == 0
    assert 0.3 < figures["rollout_threshold"] < 0.6
    assert 0.3 < figures["done_threshold"] <= 0.6


def test_so_many_images_are_counted_as_asked_and_evenly():
    many = scenes(20)
    assert some(many, 0) is many
    assert some(many, 20) is many
    assert some(many, 4).names == ["00", "06", "12", "19"]
    counted = Knowing()
    judge = Judge(Data(rollout_images=4), "reading", 12)
    assert len(judge.paths(counted, some(many, 4), 0.5)) == 4
    assert set(counted.asked) == {0, 1, 2, 3}


def test_a_roll_out_may_go_half_as_far_again_as_any_training_image_has_objects():
    assert limit(np.array([3, 15, 2])) == 23
    assert limit(np.array([1, 2])) == 8


def test_no_more_images_are_counted_than_asked_for_but_all_are_asked_about():
    judge = Judge(Data(rollout_images=4), "nearest", 12)
    thresholds = judge.thresholds(Knowing(), scenes(7))
    asked = Knowing()
    judge.figures(asked, scenes(20), thresholds)
    pairs = len(enumerated(scenes(20), "nearest", 50.0))
    counted = [scenes(20).counts[place] + 1 for place in (0, 6, 12, 19)]
    assert len(asked.asked) == pairs + sum(counted)
