"""What is said of images that are too few to judge, and of counts that training never saw."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.tiny_scenes import build_scenes
from trainables.measuring import intervals
from trainables.seq_attention.adequacy import assess, check, describe
from trainables.seq_attention.config import Config, Data


def scenes(counts, calibration=0):
    """Build a split of images with so many objects each; the first ones choose thresholds."""
    rng = np.random.default_rng(0)
    split = build_scenes([rng.uniform(0, 60, (count, 2)) for count in counts], 64)
    return replace(split, calibration=np.arange(len(split)) < calibration)


def found(val, train, **data):
    return {finding.check: finding for finding in check("val", val, train, Data(**data))}


TRAIN = scenes([1, 2, 3, 5])


def test_a_line_counts_images_objects_and_what_is_scored():
    val = scenes([2, 1, 3, 4, 4], calibration=2)
    assert describe("val", val, Data(rollout_images=2)) == (
        "5 images · 14 objects, 1 to 4 an image · 2 for thresholds · 3 scored, with 11 objects; 2 of them by "
        "roll-outs, too"
    )
    assert describe("train", TRAIN, Data()) == "4 images · 11 objects, 1 to 5 an image"


@pytest.mark.parametrize(("scored", "severe"), [(1, True), (3, False), (17, False), (18, None)])
def test_few_scored_images_are_said_with_their_interval(scored, severe):
    findings = found(scenes([2] * (scored + 2), calibration=2), TRAIN, train_size=9)
    assert ("few images" in findings) == (severe is not None)
    if severe is not None:
        assert findings["few images"].severe is severe
    if severe is False:
        assert f"±{intervals.mean_half_width(scored):.2g} times" in findings["few images"].message


def test_few_roll_outs_are_few_however_many_images_there_are():
    findings = found(scenes([2] * 60, calibration=20), TRAIN, rollout_images=4)
    assert "val/count_score and the other metrics of roll-outs rest on 4 images" in findings["few images"].message
    assert "few images" not in found(scenes([2] * 60, calibration=20), TRAIN, rollout_images=0)


def test_a_calibration_part_as_large_as_the_scored_part_is_said():
    findings = found(scenes([2] * 40, calibration=20), TRAIN)
    assert findings["large calibration part"].message.startswith("validation has 20 images to choose thresholds on and")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([2] * 20, None),
        ([2] * 20 + [9], "validation scores 1 image with 9 objects, where training images have 1 to 5"),
        ([2] * 20 + [9, 0, 7], "validation scores 3 images with 0 to 9 objects, where training images have 1 to 5"),
    ],
)
def test_counts_that_training_never_saw_are_named(counts, message):
    findings = found(scenes(counts), TRAIN)
    assert ("counts outside training" in findings) == (message is not None)
    assert message is None or findings["counts outside training"].message.startswith(message)


def test_five_real_images_are_too_few(real_data, tmp_path):
    bounds = {"min_objects": 20, "max_objects": 24}
    data = Data(source="coco", root=str(real_data("objects")), cache=str(tmp_path), **bounds)
    adequacy = assess(Config(image_size=32), data, ("train", "val"))
    assert adequacy.lines["val"].startswith("5 images · 109 objects, 20 to 24 an image · 2 for thresholds · 3 scored")
    assert [finding.check for finding in adequacy.findings] == ["few images"]
