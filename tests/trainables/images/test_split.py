"""The base of every variant's split: what is selected, what is read-only, what chooses thresholds, what is cached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

from trainables.images.split import (
    CalibrationWords,
    DataSplit,
    cache_splits,
    calibration_part,
    choose_calibration,
    scored_part,
)
from trainables.settings import UsageError


@dataclass(frozen=True, eq=False, kw_only=True)
class Points(DataSplit):
    PER_EXAMPLE_FIELDS = (*DataSplit.PER_EXAMPLE_FIELDS, "points", "calibration", "truth")

    points: list[np.ndarray]
    calibration: np.ndarray
    truth: np.ndarray | None = None
    radius: float = 2.0


def split(count: int = 4) -> Points:
    points = [np.full((index, 2), index) for index in range(count)]
    return Points(
        names=[f"image {index}" for index in range(count)], points=points, calibration=np.arange(count) % 2 == 0
    )


@pytest.mark.parametrize("selection", [np.array([False, True, False, True]), np.array([1, 3])])
def test_selected_examples_keep_what_is_theirs_and_share_the_rest(selection):
    part = split().select(selection)
    assert type(part) is Points
    assert part.names == ["image 1", "image 3"]
    assert [len(points) for points in part.points] == [1, 3]
    assert part.calibration.tolist() == [False, False]
    assert (part.truth, part.radius, len(part)) == (None, 2.0, 2)


def test_nothing_can_be_selected():
    assert len(split().select(np.zeros(4, dtype=bool))) == 0


def test_arrays_are_read_only_also_those_in_lists():
    whole = split()
    for array in (whole.calibration, *whole.points[1:]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_calibration_and_scored_part_share_no_example():
    assert calibration_part(split()).names == ["image 0", "image 2"]
    assert scored_part(split()).names == ["image 1", "image 3"]


WORDS = CalibrationWords("micrograph", "micrographs", "a particle", "add micrographs", "take another seed")


def test_calibration_keeps_groups_whole():
    groups = ["a", "a", "b", "b", "c", "c"]
    chosen = choose_calibration(groups, 0.34, 1, np.ones(6, dtype=bool), WORDS)
    assert 0 < chosen.sum() < 6
    assert all(chosen[2 * pair] == chosen[2 * pair + 1] for pair in range(3))


def test_a_single_example_cannot_choose_and_be_scored():
    with pytest.raises(UsageError) as refusal:
        choose_calibration(["a"], 0.5, 0, np.ones(1, dtype=bool), WORDS)
    assert str(refusal.value) == (
        "validation has a single micrograph, but needs one to choose thresholds on and one to judge: add micrographs."
    )


@pytest.mark.parametrize("part", ["calibration", "scored"])
def test_a_part_with_nothing_to_find_is_refused(part):
    names = ["a", "b", "c", "d"]
    chosen = choose_calibration(names, 0.5, 0, np.ones(4, dtype=bool), WORDS)
    positive = ~chosen if part == "calibration" else chosen
    with pytest.raises(
        UsageError, match=f"none of the 2 {part} micrographs of validation has a particle: take another seed"
    ):
        choose_calibration(names, 0.5, 0, positive, WORDS)


class Config(NamedTuple):
    size: int
    lr: float = 0.1


def test_a_split_is_loaded_once_for_configs_that_differ_elsewhere():
    calls = []

    @cache_splits("size", maxsize=2)
    def load(config, data, name):
        calls.append((config.size, data, name))
        return object()

    first = load(Config(8), "data", "train")
    assert load(Config(8, lr=0.2), "data", "train") is first
    assert load(Config(16), "data", "train") is not first
    assert load(Config(8), "data", "train") is first  # so that it was asked for last
    load(Config(8), "other data", "train")
    assert load(Config(8), "data", "train") is first
    load(Config(16), "data", "train")  # dropped, as the one that was asked for longest ago
    assert calls == [(8, "data", "train"), (16, "data", "train"), (8, "other data", "train"), (16, "data", "train")]
    load.cache_clear()
    assert load(Config(8), "data", "train") is not first


def test_a_split_that_cannot_be_loaded_is_tried_again():
    calls = []

    @cache_splits("size")
    def load(config, data, name):
        calls.append(name)
        if len(calls) == 1:
            raise UsageError("the disk is not there.")
        return name

    with pytest.raises(UsageError):
        load(Config(8), "data", "val")
    assert load(Config(8), "data", "val") == "val"


def test_a_loader_cannot_read_what_the_cache_does_not_depend_on():
    @cache_splits("size")
    def load(config, data, name):
        return config.lr

    with pytest.raises(AttributeError, match="lr"):
        load(Config(8), "data", "val")


def test_a_field_of_another_length_than_the_names_is_refused():
    with pytest.raises(ValueError, match="3 calibration of 4 examples"):
        Points(names=list("abcd"), points=[np.zeros(1)] * 4, calibration=np.zeros(3, dtype=bool))


def test_a_split_describes_its_size_and_what_was_left_out():
    part = Points(names=["a"], points=[np.zeros(1)], calibration=np.zeros(1, dtype=bool), bad=(("b", "damaged"),))
    assert part.describe() == {"examples": 1, "left_out": 1}
